//! Wrong inputs, each with its complete messages.
//!
//! A case in the files of `messages/` is a change of [`GOOD`] (`==== from -> to`; without `from` the text is appended; `\n` is a line
//! end), and below it all messages.

use super::{GOOD, read};

fn check(cases: &str) {
    let mut wrong = Vec::new();
    let cases: Vec<_> = cases.split("==== ").skip(1).collect();
    for case in &cases {
        let (change, expected) = case.split_once('\n').unwrap();
        let (from, to) = change.split_once("-> ").unwrap();
        let (from, to) = (from.trim().replace("\\n", "\n"), to.replace("\\n", "\n"));
        assert!(GOOD.contains(&from), "{change}");
        let text = if from.is_empty() { format!("{GOOD}{to}\n") } else { GOOD.replacen(&from, &to, 1) };
        let printed = match read(&text) {
            Ok((_, problems)) | Err(problems) => problems.to_string(),
        };
        if printed.trim() != expected.trim() {
            wrong.push(format!("==== {change}\n{printed}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ; they are now:\n{}", wrong.len(), cases.len(), wrong.concat());
}

#[test]
fn accounts() {
    check(include_str!("messages/accounts.txt"));
}

#[test]
fn buses() {
    check(include_str!("messages/buses.txt"));
}

#[test]
fn meters() {
    check(include_str!("messages/meters.txt"));
}

#[test]
fn clients() {
    check(include_str!("messages/clients.txt"));
}

#[test]
fn service() {
    check(include_str!("messages/service.txt"));
}

#[test]
fn site() {
    check(include_str!("messages/site.txt"));
}

#[test]
fn syntax() {
    check(include_str!("messages/syntax.txt"));
}
