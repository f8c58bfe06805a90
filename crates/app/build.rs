//! The content is embedded: the binary must be built again when it changes.

fn main() {
    println!("cargo::rerun-if-changed=../../content");
}
