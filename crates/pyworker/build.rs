//! Stamps the extension with a hash of its sources; the main process has the same and refuses another.

#[path = "stamp.rs"]
mod stamp;

fn main() {
    stamp::emit();
}
