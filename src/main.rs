//! Arguments in, one exit code out.

fn main() {}
