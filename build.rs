//! Makes cargo build the program again when a file of `config/profiles` is added or removed: `include_dir` cannot do that itself.

fn main() {
    println!("cargo:rerun-if-changed=config/profiles");
}
