//! Errors in arguments and in the configuration: each is shown with its place and a remedy, and has its exit code.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::harness::*;

fn plan() -> Plan {
    Plan::new().account("http://127.0.0.1:9/v1").tcp("gateway", unused_address()).meter("sauna", "gateway", 1)
}

#[tokio::test]
async fn a_configuration_error_is_shown_with_its_line() {
    let client = client(1).to_hex();
    let wrong: [(Plan, &[&str]); 4] = [
        (plan().text("[meter.boiler\nbus = 1"), &["arkmeter.toml:", "^"]),
        (plan().text(format!("[account.other]\ntoken = \"{}\"", token())), &["token"]),
        (
            plan().polled("boiler", "gateway", 2, "eastron-sdm630").text(format!("client_id = \"{client}\"")),
            &["client_id"],
        ),
        (plan().polled("boiler", "gateway", 2, "eastron-sdm631"), &["eastron-sdm631", "eastron-sdm630"]),
    ];
    for (plan, words) in wrong {
        let site = Site::new(&plan);
        for command in ["check", "run"] {
            let output = site.run(&[command]).await;
            output.complains(78, words);
            let all = format!("{}{}", output.out, output.err);
            assert!(!all.contains(&token()[2..]) && !all.contains(&client[2..]), "{all}");
        }
    }
}

#[tokio::test]
async fn an_unusable_token_file_is_shown_with_the_remedy() {
    let site = Site::new(&plan());
    let token_file = site.path("token");
    let write_token = |content: &str, mode: u32| {
        fs::write(&token_file, content).unwrap();
        fs::set_permissions(&token_file, Permissions::from_mode(mode)).unwrap();
    };
    write_token("", 0o640);
    site.run(&["check"]).await.complains(78, &["is empty"]);
    write_token(&format!("{0}\n{0}\n", token()), 0o640);
    site.run(&["check"]).await.complains(78, &["several lines"]);
    write_token(&token(), 0o644);
    site.run(&["check"]).await.complains(78, &["open to every user", "chmod 640"]);
    fs::remove_file(&token_file).unwrap();
    site.run(&["check"]).await.complains(78, &["there is no token file"]);
    assert!(!fs::read_to_string(site.path("output")).unwrap().contains(&token()[2..]));
}

#[tokio::test]
async fn check_shows_what_would_be_polled_and_reported() {
    let site = Site::new(&plan());
    let output = site.run(&["check"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    for words in ["sauna", "gateway", "eastron-sdm630"] {
        assert!(output.out.contains(words), "{words} is missing: {output:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&site.run(&["check", "--json"]).await.out).unwrap();
    assert!(json.is_object(), "{json}");
    fs::remove_file(site.path("arkmeter.toml")).unwrap();
    site.run(&["check"]).await.complains(78, &["arkmeter.toml"]);
}

#[tokio::test]
async fn usage_errors_and_profile_commands() {
    let site = Site::new(&plan());
    for wrong in [&["dance"][..], &["report"], &["read", "not a name"], &["run", "--quickly"]] {
        assert_eq!(site.run(wrong).await.code, 2, "{wrong:?}");
    }
    let listed = site.run(&["profiles", "list", "sdm630"]).await;
    assert!(listed.code == 0 && listed.out.contains("eastron-sdm630"), "{listed:?}");
    let shown = site.run(&["profiles", "show", "eastron-sdm630"]).await;
    assert!(shown.code == 0 && shown.out.contains("\n[profile.eastron-sdm630]\n"), "{shown:?}");
    assert_eq!(site.run(&["profiles", "show", "no-such-meter"]).await.code, 1);
    let own = site.path("own.toml");
    let text = shown.out.split("name:\n").last().unwrap().replace("eastron-sdm630", "acme-630");
    for (text, code) in [(text.replace("\"acme-630-", "\"acme-"), 0), (text.replace("\"f32\"", "\"f33\""), 78)] {
        fs::write(&own, text).unwrap();
        let checked = site.run(&["profiles", "check", own.to_str().unwrap()]).await;
        assert_eq!(checked.code, code, "{checked:?}");
    }
}

#[tokio::test]
async fn a_trace_is_replayed_and_a_damaged_one_is_refused_with_its_line() {
    let site = Site::new(&plan());
    let trace: String =
        (0..31).map(|second| format!("{{\"t\": {second}.0, \"register_mwh\": 1000000, \"power_mw\": 0}}\n")).collect();
    fs::write(site.path("trace"), &trace).unwrap();
    let output =
        site.run_with_input(&["replay", "--meter", "sauna"], Some(File::open(site.path("trace")).unwrap())).await;
    assert_eq!((output.code, output.out.lines().count()), (0, 31), "{output:?}");
    assert!(output.out.lines().last().unwrap().contains("1000000"), "{output:?}");
    fs::write(site.path("trace"), trace + "{\"t\": oh}\n").unwrap();
    let path = site.path("trace");
    site.run(&["replay", "--meter", "sauna", path.to_str().unwrap()]).await.complains(65, &["line 32"]);
}
