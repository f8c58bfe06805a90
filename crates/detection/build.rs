//! Stamps this crate with the hash of the extension's sources, which workers must show.

#[path = "../pyworker/stamp.rs"]
mod stamp;

fn main() {
    stamp::emit();
}
