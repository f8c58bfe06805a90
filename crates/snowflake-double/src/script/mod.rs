//! The statements that set an account up: parsed by our own small parser and applied to the account.
//!
//! The scripts that the product prints for an administrator are run here as they are. What is not in this grammar is an
//! error, never a silent success, so that a script that passes here was understood word by word.

pub(crate) mod apply;
mod apply_grant;
mod apply_network;
mod apply_object;
mod apply_user;
mod ast;
mod grammar;
mod grammar_grant;
mod show;
pub(crate) mod token;

pub(crate) use ast::{Kind, Properties, Setting, Statement};
pub(crate) use grammar::parse;
