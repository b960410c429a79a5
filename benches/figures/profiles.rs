//! The time to load the built-in profiles, each time in a new process.

use std::io;
use std::process::Command;

use arkmeter::meter::library;
use tokio::time::Instant;

use crate::median::median;

/// The argument that makes this program load the profiles once and print the time.
pub const ROLE: &str = "load-profiles";
const ROUNDS: usize = 15;

pub fn measure() -> io::Result<()> {
    let program = std::env::current_exe()?;
    let once = || {
        let output = Command::new(&program).arg(ROLE).output()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().map_err(io::Error::other)
    };
    let times = (0..ROUNDS).map(|_| once()).collect::<io::Result<Vec<f64>>>()?;
    println!("built-in profiles: {} loaded in {:.2} ms", library().names().count(), median(times));
    Ok(())
}

/// Loads the profiles and prints the time.
pub fn run() {
    let begun = Instant::now();
    std::hint::black_box(library().entries().count());
    println!("{}", begun.elapsed().as_secs_f64() * 1000.0);
}
