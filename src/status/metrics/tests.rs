use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::guard::Verdict;
use crate::status::compose::tests::{cabinet, document, guarded, poll, verdicts};
use crate::units::Milliwatts;

#[test]
fn each_value_is_in_base_units() {
    let text = metrics(&document(&cabinet()));
    for line in [
        "# TYPE arkmeter_meter_power_watts gauge",
        "arkmeter_meter_power_watts{meter=\"heat_pump\"} 1500.0",
        "# TYPE arkmeter_meter_published_joules_total counter",
        "arkmeter_meter_published_joules_total{meter=\"heat_pump\"} 648014997600.0",
        "arkmeter_meter_read_timestamp_seconds{meter=\"heat_pump\"} 1750001000.0",
        "arkmeter_meter_state{meter=\"heat_pump\",state=\"ok\"} 1.0",
        "arkmeter_meter_state{meter=\"heat_pump\",state=\"held\"} 0.0",
        "arkmeter_meter_verdicts_total{meter=\"heat_pump\",verdict=\"advanced\"} 98.0",
        "arkmeter_client_accepted_joules{client=\"heat_pump\"} 648014400000.0",
        "arkmeter_client_accepted_timestamp_seconds{client=\"heat_pump\"} 1750000990.0",
        "arkmeter_client_reports_accepted_total{client=\"heat_pump\"} 8.0",
        "arkmeter_client_hour_reports{client=\"heat_pump\"} 5.0",
        "arkmeter_account_calls_total{account=\"main\"} 9.0",
        "arkmeter_account_accepted_total{account=\"main\"} 8.0",
        "arkmeter_account_rejected_total{account=\"main\"} 0.0",
        "arkmeter_account_last_report_timestamp_seconds{account=\"main\"} 1750000990.0",
        "arkmeter_bus_requests_total{bus=\"cabinet\"} 200.0",
        "arkmeter_bus_silent_meters{bus=\"cabinet\"} 0.0",
        "arkmeter_bus_reopened_total{bus=\"cabinet\"} 1.0",
        "arkmeter_ledger_commits_total 8",
        "arkmeter_well 1.0",
        "arkmeter_config_info{hash=\"00ff00ff00ff00ff\"} 1.0",
        "arkmeter_config_last_reload_success 1.0",
        "arkmeter_config_last_reload_timestamp_seconds 1750000000.0",
        concat!("arkmeter_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1.0"),
    ] {
        assert!(text.lines().any(|written| written == line), "{line}\n{text}");
    }
}

#[test]
fn unknown_values_are_absent() {
    let mut inputs = cabinet();
    *poll(&mut inputs) = Default::default();
    *guarded(&mut inputs) = Default::default();
    inputs.ledger.clients.clear();
    inputs.accounts.clear();
    let text = metrics(&document(&inputs));
    for family in [
        "power_watts",
        "published_joules",
        "read_timestamp",
        "accepted_joules",
        "accepted_timestamp",
        "last_report",
        "probe_round",
        "verdicts",
    ] {
        assert!(!text.contains(family), "{family}\n{text}");
    }
    assert!(text.contains("arkmeter_meter_state{meter=\"heat_pump\",state=\"never_read\"} 1.0"), "{text}");
}

#[test]
fn the_power_of_a_stale_meter_is_absent() {
    let mut document = document(&cabinet());
    let meter = document.meters.get_mut("heat_pump").unwrap();
    meter.state = MeterState::Stale;
    meter.power_mw = Some(Milliwatts(1));
    assert!(!metrics(&document).contains("power_watts"));
}

#[test]
fn the_published_counter_does_not_start_below_its_last_value() {
    let mut inputs = cabinet();
    guarded(&mut inputs).verdicts = verdicts(&[(Verdict::Held, 3), (Verdict::Glitch, 1)]);
    assert!(!metrics(&document(&inputs)).contains("published_joules"));
    guarded(&mut inputs).verdicts.count(Verdict::Unchanged);
    assert!(metrics(&document(&inputs)).contains("published_joules"));
}

#[test]
fn the_labels_of_the_site_are_on_every_sample_and_escaped() {
    let mut document = document(&cabinet());
    let plain = metrics(&document);
    document.configuration.labels =
        [("site", "north \"1\" \\ é"), ("zone", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let labelled = metrics(&document);
    let expected = "site=\"north \\\"1\\\" \\\\ é\",zone=\"2\"";
    for (line, before) in labelled.lines().zip(plain.lines()) {
        if line.starts_with('#') {
            assert_eq!(line, before);
            continue;
        }
        assert!(line.contains(expected), "{line}");
        let without = line.replace(&format!(",{expected}"), "").replace(&format!("{{{expected}}}"), "");
        assert_eq!(without.replace(&format!("{expected},"), ""), before);
    }
    promtool_accepts(&labelled);
}

/// Otherwise a label of the site could hide one of ours.
#[test]
fn the_configuration_reserves_every_label_of_the_metrics() {
    let mut document = document(&cabinet());
    document.shard = Some(crate::status::document::ShardStatus { number: 2, count: 4 });
    let text = metrics(&document);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.iter().all(|line| line.contains("{shard=\"2\"")), "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let labels = samples.flat_map(|line| {
        let ends = line.match_indices("=\"").map(|(at, _)| &line[..at]);
        ends.map(|before| before.rsplit(['{', ',']).next().unwrap()).collect::<Vec<_>>()
    });
    let labels: BTreeSet<_> = labels.collect();
    assert!(labels.len() > 5, "{labels:?}");
    for label in labels {
        assert!(crate::config::RESERVED_LABELS.contains(&label), "{label} must be reserved in [site] labels");
    }
}

#[test]
fn alerts_and_dashboard_use_metrics_that_exist() {
    let mut document = document(&cabinet());
    for bus in document.buses.values_mut() {
        bus.quality.occupancy = Some(0.1);
    }
    let text = metrics(&document);
    let exported: BTreeSet<_> = text.lines().filter(|line| !line.starts_with('#')).map(name_at).collect();
    let alerts = include_str!("../../../config/prometheus/alerts.yml");
    let dashboard = include_str!("../../../config/grafana/arkmeter.json");
    let fleet_alerts = include_str!("../../../config/prometheus/fleet.yml");
    let fleet = include_str!("../../../config/grafana/arkmeter-fleet.json");
    for (file, least) in [(alerts, 9), (dashboard, 15), (fleet_alerts, 4), (fleet, 10)] {
        let named: BTreeSet<_> = file.match_indices("arkmeter_").map(|(at, _)| name_at(&file[at..])).collect();
        assert!(named.len() >= least, "{named:?}");
        for name in named {
            assert!(exported.contains(name), "no metric is named {name}");
        }
    }
    for dashboard in [dashboard, fleet] {
        serde_json::from_str::<serde_json::Value>(dashboard).unwrap();
    }
}

/// The name at the beginning of the text.
fn name_at(text: &str) -> &str {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').next().unwrap()
}

/// The text format: every sample belongs to the family described directly above it; each family and each series appears once.
#[test]
fn every_sample_follows_its_own_help_and_type() {
    let text = metrics(&document(&cabinet()));
    let (mut families, mut series, mut family) = (BTreeSet::new(), BTreeSet::new(), "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            let (typed, kind) = lines.next().unwrap().strip_prefix("# TYPE ").unwrap().split_once(' ').unwrap();
            assert!(words.len() > 5 && name == typed, "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert_eq!(kind == "histogram", name.ends_with("_response_seconds"), "{line}");
            assert!(families.insert(name), "{name} comes twice");
            family = name;
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let part = name.strip_prefix(family).expect(line);
            assert!(
                part.is_empty()
                    || family.ends_with("_response_seconds") && ["_sum", "_count", "_bucket"].contains(&part)
            );
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            assert!(series.insert(key), "{key} comes twice");
        }
    }
    assert!(families.len() > 20);
}

#[test]
fn promtool_reports_no_problem() {
    promtool_accepts(&metrics(&document(&cabinet())));
}

/// Where promtool is installed.
fn promtool_accepts(text: &str) {
    let mut promtool = Command::new("promtool");
    let pipes = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = pipes.spawn() else {
        let _ = writeln!(std::io::stderr(), "skipped: promtool_reports_no_problem (promtool is not installed)");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output_text.is_empty(), "{output_text}");
}
