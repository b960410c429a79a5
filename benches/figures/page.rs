//! The page of a site with 100 meters and a year of days: how long each kind of page takes, and how large it is.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use crate::median::{at_most, median};
use crate::site::Site;

const METERS: u8 = 100;
const DAYS: i64 = 365;
/// The reports of a day, each a slot of the history.
const SLOTS: i64 = 720;
const ROUNDS: usize = 7;
/// A page is made at most once a second.
const APART: Duration = Duration::from_millis(1200);
const READY_WITHIN: Duration = Duration::from_secs(120);
const TIME_LIMIT_MS: f64 = 50.0;
const SIZE_LIMIT_KB: f64 = 80.0;
const PATHS: [&str; 3] = ["/", "/meter/meter_1", "/client/meter_1"];

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    let site = Site::build(METERS, "10s", "120s").await?;
    let first = site.daemon(None)?;
    ready(&site, || site.history().exists()).await?;
    ended(first).await?;
    fill(&site.history()).map_err(io::Error::other)?;
    let _daemon = site.daemon(None)?;
    ready(&site, || site.accepted() == usize::from(METERS)).await?;
    for path in PATHS {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            sleep(APART).await;
            let asked = Instant::now();
            let answer = site.page(path).await?;
            times.push(asked.elapsed().as_secs_f64() * 1000.0);
            let body = answer.split_once("\r\n\r\n").filter(|_| answer.starts_with("HTTP/1.1 200"));
            bytes = body.ok_or_else(|| io::Error::other(answer.clone()))?.1.len();
        }
        let (time, size) = (median(times), bytes as f64 / 1000.0);
        println!(
            "page {path} of {METERS} meters and {DAYS} days: {time:.1} ms (limit {TIME_LIMIT_MS}: {}), {size:.1} KB (limit {SIZE_LIMIT_KB}: {})",
            at_most(time, TIME_LIMIT_MS),
            at_most(size, SIZE_LIMIT_KB)
        );
    }
    Ok(())
}

/// Waits until the page is served and `so` holds.
async fn ready(site: &Site, so: impl Fn() -> bool) -> io::Result<()> {
    let begun = Instant::now();
    while !so() || site.page("/").await.is_err() {
        if begun.elapsed() > READY_WITHIN {
            return Err(io::Error::other("the daemon did not get ready"));
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Stops the daemon as systemd does.
async fn ended(mut daemon: Child) -> io::Result<()> {
    let process = daemon.id().unwrap_or_default().to_string();
    tokio::process::Command::new("kill").arg(process).status().await?;
    daemon.wait().await.map(drop)
}

/// Fills the history that the daemon has made: a day of slots, and a year of days.
fn fill(file: &Path) -> rusqlite::Result<()> {
    let mut history = Connection::open(file)?;
    let now = arkmeter::clock::Clock::system().now().wall.as_second();
    let filled = history.transaction()?;
    for number in 1..=i64::from(METERS) {
        let name = format!("meter_{number}");
        filled.execute(
            "INSERT INTO meter (name) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM meter WHERE name = ?1)",
            [&name],
        )?;
        let meter = filled.query_row("SELECT id FROM meter WHERE name = ?1", [&name], |row| row.get(0))?;
        fill_meter(&filled, number, meter, now)?;
    }
    filled.commit()
}

fn fill_meter(history: &Connection, number: i64, meter: i64, now: i64) -> rusqlite::Result<()> {
    let mut slot = history.prepare(
        "INSERT INTO slot (meter, ended, trusted, measured_ms, mean_mw, min_mw, max_mw, published_mwh) \
         VALUES (?1, ?2, 1, 120000, ?3, ?4, ?5, ?6)",
    )?;
    for index in 0..SLOTS {
        let mean = 1_100_000 + (index * number * 7919) % 900_000;
        let ended = now - 86_400 / SLOTS * (SLOTS - index);
        slot.execute((meter, ended, mean, mean * 6 / 10, mean * 14 / 10, 1_000_000_000 + index * 40_000))?;
    }
    let mut day =
        history.prepare("INSERT OR REPLACE INTO day (day, meter, energy_mwh, covered_s) VALUES (?1, ?2, ?3, 86400)")?;
    for ago in 1..=DAYS {
        day.execute((now / 86_400 - ago, meter, 18_000_000 + (ago * 104_729 + number * 31) % 17_000_000))?;
    }
    Ok(())
}
