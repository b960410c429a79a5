//! How large the program is.

use std::io;

use crate::median::at_most;

const LIMIT: f64 = 7.0;

pub fn measure() -> io::Result<()> {
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_arkmeter"))?.len() as f64 / 1e6;
    println!("program: {size:.2} MB (limit {LIMIT} MB: {})", at_most(size, LIMIT));
    Ok(())
}
