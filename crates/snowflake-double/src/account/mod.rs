//! Who exists in the account and who may do what: the model that scripts change and that every request is judged by.

pub(crate) mod grants;
pub(crate) mod key;
pub(crate) mod network;
pub(crate) mod objects;
pub(crate) mod schema_object;
pub(crate) mod state;
pub(crate) mod user;
