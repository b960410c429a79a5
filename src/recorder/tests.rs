//! The content of recordings, and that recording delays nobody.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;

use super::file::RecordError;
use super::*;
use crate::reading::Register;
use crate::units::{MilliwattHours, Milliwatts};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn clock() -> Clock {
    Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap())
}

fn values(register: u64) -> Values {
    let [value, step] = [register, 1].map(|value| MilliwattHours::new(value).unwrap());
    Values { power: Some(Milliwatts(1500)), register: Some(Register { value, step }), serial: Some("\"7\n".into()) }
}

#[tokio::test(start_paused = true)]
async fn polls_become_a_trace() {
    let clock = clock();
    let recorder = Recorder::new(clock.clone());
    let mut recording = recorder.listen(Some(name("a"))).unwrap();
    let (mut lines, first) = TraceWriter::begin(recording.began);
    tokio::time::advance(Duration::from_micros(1_500_000)).await;
    recorder.poll(&name("a"), Some((clock.now(), &values(70))));
    recorder.poll(&name("b"), Some((clock.now(), &values(80))));
    recorder.poll(&name("a"), None);
    recorder.slot();
    // An earlier answer of another bus.
    recorder.poll(&name("a"), Some((recording.began, &Values::default())));
    recorder.close();
    let mut text = first;
    while let Some((event, lost)) = recording.next().await {
        text += &lines.write(&event, lost);
    }
    let parsed: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&parsed[0]["t"], &parsed[0]["event"]), (&0.0.into(), &"restart".into()));
    assert_eq!(
        parsed[1],
        serde_json::json!({"t": 1.5, "meter": "a", "register_mwh": 70, "power_mw": 1500, "serial": "\"7\n"})
    );
    assert_eq!(parsed[2], serde_json::json!({"t": 1.5, "meter": "a", "register_mwh": null}));
    assert_eq!(parsed[3], serde_json::json!({"t": 1.5, "event": "slot"}));
    assert_eq!(parsed[4]["t"], 1.5, "time does not go back");
    assert_eq!(parsed.len(), 5, "the other meter is not recorded");
}

#[tokio::test]
async fn a_recording_delays_nobody_and_its_losses_are_counted() {
    let recorder = Recorder::new(clock());
    let mut recording = recorder.listen(None).unwrap();
    for _ in 0..QUEUE_DEPTH + 7 {
        recorder.slot();
    }
    let (event, lost) = recording.next().await.unwrap();
    assert_eq!(lost, 7);
    let (mut lines, _) = TraceWriter::begin(recording.began);
    assert!(lines.write(&event, lost).starts_with("# 7 lines are missing here"));
    assert_eq!(recording.next().await.unwrap().1, 0, "counted once");
}

#[tokio::test]
async fn the_number_of_recordings_is_limited_and_a_dropped_one_ends() {
    let recorder = Recorder::new(clock());
    let mut all: Vec<_> = (0..MAX_RECORDINGS).map(|_| recorder.listen(None).unwrap()).collect();
    assert!(recorder.listen(None).is_err());
    all.pop();
    recorder.slot();
    all.push(recorder.listen(None).unwrap());
    assert_eq!(recorder.recordings().len(), MAX_RECORDINGS);
}

/// The file's content after the thread has ended.
fn content_at_end(recorder: &Recorder, thread: std::thread::JoinHandle<()>, path: &std::path::Path) -> String {
    recorder.close();
    thread.join().unwrap();
    fs::read_to_string(path).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_recording_continues_after_a_restart_and_removes_an_incomplete_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl");
    let clock = clock();
    let recorder = Recorder::new(clock.clone());
    let thread = record_to(&path, &recorder, &clock).unwrap();
    recorder.poll(&name("a"), None);
    let before = content_at_end(&recorder, thread, &path);
    fs::write(&path, format!("{before}{{\"t\": 5, \"met")).unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let thread = record_to(&path, &recorder, &clock).unwrap();
    recorder.poll(&name("a"), None);
    let after = content_at_end(&recorder, thread, &path);
    assert!(after.starts_with(&before), "{after}");
    let parsed: Vec<serde_json::Value> = after.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let parsed: Vec<_> = parsed.iter().map(|line| (line["t"].as_f64().unwrap(), line["event"] == "restart")).collect();
    assert_eq!(parsed, [(0.0, true), (0.0, false), (60.0, true), (60.0, false)]);
}

#[tokio::test]
async fn a_foreign_file_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let path = folder.path().join("precious");
    for content in ["precious, and without an end of its line", "", "{\"t\":0}\n"] {
        fs::write(&path, content).unwrap();
        let refused = record_to(&path, &Recorder::new(clock.clone()), &clock).unwrap_err();
        assert!(matches!(refused, RecordError::Foreign(_)), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    let other_boot = Clock::simulated(2, Timestamp::from_second(1_700_000_000).unwrap());
    other_boot.set_trusted(false);
    fs::write(&path, TraceWriter::begin(other_boot.now()).1).unwrap();
    assert!(
        record_to(&path, &Recorder::new(clock.clone()), &clock).is_err(),
        "the length of the interruption is unknown"
    );
    assert!(record_to(&folder.path().join("no/folder"), &Recorder::new(clock.clone()), &clock).is_err());
}

#[test]
fn a_file_stops_growing_at_its_limit_with_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl");
    let mut file = BoundedFile::create(&path, 25).unwrap();
    file.add(b"0123456789\n").unwrap();
    file.add(b"0123456789\n").unwrap();
    assert!(file.add(b"0123456789\n").unwrap_err().to_string().contains("has reached"));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    assert!(BoundedFile::create(&path, 25).is_err(), "nothing is overwritten");
}
