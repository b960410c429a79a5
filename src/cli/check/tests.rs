use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

const TOKEN: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";

/// A box with a configuration, a token and an adapter.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(config: &str) -> Self {
        let site = Site { folder: tempfile::tempdir().unwrap() };
        let config = config.replace("DIR", site.folder.path().to_str().unwrap());
        std::fs::write(site.path("arkmeter.toml"), config).unwrap();
        std::fs::write(site.path("adapter"), "").unwrap();
        site.token(TOKEN, 0o640);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn token(&self, content: &str, mode: u32) {
        std::fs::write(self.path("token"), content).unwrap();
        std::fs::set_permissions(self.path("token"), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The exit code, standard output and standard error, with DIR for the folder.
    fn check(&self, json: bool) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let options = CheckOptions { json, ..CheckOptions::default() };
        let code = check(&self.path("arkmeter.toml"), &Environment::default(), options, &mut out, &mut err);
        let folder = self.folder.path().to_str().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(folder, "DIR");
        (code, text(out), text(err))
    }
}

const CONFIG: &str = r#"
[account.main]
token_file = "DIR/token"
[bus.cabinet]
serial = "DIR/adapter"
[bus.gateway]
tcp = "192.168.10.20"
[meter.house]
bus = "cabinet"
unit = 1
profile = "acme"
client_id = "0x1111111111111111111111111111111111111111111111111111111111111111"
ct_ratio = "200/5"
[meter.floor_1]
bus = "gateway"
unit = 1
profile = "acme"
max_power = "5.5kW"
[meter.floor_2]
bus = "gateway"
unit = 2
profile = "acme"
reversed = true
energy_start = "zero"
poll_every = "1m"
[meter.garage]
bus = "gateway"
unit = 3
profile = "plain"
max_power = "11kW"
[client.building]
client_id = "0x3333333333333333333333333333333333333333333333333333333333333333"
meters = ["floor_1", "floor_2"]
[profile.acme]
vendor = "Acme"
model = "100"
max_power = "23kW"
power = { register = 0x0C, function = "input", type = "f32", unit = "W" }
energy = { register = 0x48, function = "input", type = "u32", unit = "kWh" }
export_energy = { register = 0x4A, function = "input", type = "u32", unit = "kWh" }
[profile.plain]
vendor = "Acme"
model = "P"
power = { register = 7, function = "holding", type = "u16", unit = "W" }
"#;

#[test]
fn a_valid_configuration_shows_what_will_be_polled_and_reported() {
    let (code, out, err) = Site::new(CONFIG).check(false);
    assert_eq!(err, "DIR/arkmeter.toml is valid\n");
    let (read, out) = out.split_at(out.find("Polled:").unwrap());
    assert!(
        read.starts_with("Read, in this order:\n  DIR/arkmeter.toml\nHash: ") && read.lines().count() == 3,
        "{read}"
    );
    let expected = "\
Polled:
  bus cabinet: serial DIR/adapter, 9600 baud, 8N1, timeout 1s; busy about 1 %
    house: unit 1, acme, every 10s, up to 920 kW, CT 40 PT 1
      input registers 12 to 13 (0x000C, 2 of them)
      input registers 72 to 73 (0x0048, 2 of them)
  bus gateway: Modbus TCP 192.168.10.20:502, timeout 1s
    floor_1: unit 1, acme, every 10s, up to 5.5 kW
      input registers 12 to 13 (0x000C, 2 of them)
      input registers 72 to 73 (0x0048, 2 of them)
    floor_2: unit 2, acme, every 1m, up to 23 kW, reversed, energy from 0
      input registers 12 to 13 (0x000C, 2 of them)
      input registers 74 to 75 (0x004A, 2 of them)
    garage: unit 3, plain, every 10s, up to 11 kW, energy integrated from power
      holding register 7 (0x0007)
Reported:
  account main: https://api.arkreen.com/v1 every 2m, batch auto, at most 100 a call, token from file DIR/token
    building as 0x3333…3333: floor_1 + floor_2
    house as 0x1111…1111: house
Polled only: garage
State: /var/lib/arkmeter
Status: socket /run/arkmeter/control.sock, page none
";
    assert_eq!(out, expected);
    assert_eq!(code, 0);
}

#[test]
fn json_has_the_same_as_a_document() {
    let (code, out, err) = Site::new(CONFIG).check(true);
    assert_eq!((code, err.as_str()), (0, ""));
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["valid"], true);
    assert_eq!(document["files"], serde_json::json!(["DIR/arkmeter.toml"]));
    assert_eq!(document["problems"], serde_json::json!([]));
    let house = &document["buses"]["cabinet"]["meters"]["house"];
    assert_eq!(house["unit"], 1);
    assert_eq!(house["max_power_mw"], 920_000_000_u64);
    assert_eq!(house["requests"][0], serde_json::json!({"function": "input", "address": 12, "count": 2}));
    assert_eq!(
        document["accounts"]["main"]["clients"]["building"]["meters"],
        serde_json::json!(["floor_1", "floor_2"])
    );
    assert_eq!(document["polled_only"], serde_json::json!(["garage"]));
    assert!(!out.contains(&"1".repeat(64)) && !out.contains(&TOKEN[2..]), "{out}");
}

#[test]
fn an_error_gives_exit_code_78_as_text_and_as_json() {
    let site = Site::new(&CONFIG.replace("unit = 2", "unit = 1\ntoken = \"hunter2\""));
    let (code, out, err) = site.check(false);
    assert_eq!((code, out.as_str()), (exit::CONFIG, ""));
    assert!(err.contains("unit 1 of bus gateway is taken in line 16"), "{err}");
    assert!(err.ends_with("DIR/arkmeter.toml: 2 errors\n"), "{err}");
    let (code, out, err) = site.check(true);
    assert_eq!((code, err.as_str()), (exit::CONFIG, ""));
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["valid"], false);
    assert_eq!(document["problems"][0]["line"], 21);
    assert_eq!(document["problems"][0]["severity"], "error");
    assert!(document.get("buses").is_none());
    assert!(!out.contains("hunter2"));
    std::fs::remove_file(site.path("arkmeter.toml")).unwrap();
    let (code, out, _) = site.check(true);
    assert_eq!(code, exit::CONFIG);
    assert!(out.contains("there is no configuration at DIR/arkmeter.toml"), "{out}");
}

#[test]
fn token_and_certificate_files_are_checked() {
    let site = Site::new(CONFIG);
    site.token(TOKEN, 0o644);
    let (code, _, err) = site.check(false);
    assert_eq!(code, exit::CONFIG);
    assert!(err.starts_with("error: account main: the token file DIR/token is open to every user"), "{err}");
    site.token("hunter2", 0o640);
    let (code, _, err) = site.check(false);
    assert_eq!(code, exit::CONFIG);
    assert!(err.contains("does not hold a token") && !err.contains("hunter2"), "{err}");

    let site = Site::new(&CONFIG.replace("[bus.cabinet]", "ca_file = \"DIR/token\"\n[bus.cabinet]"));
    let (code, _, err) = site.check(false);
    assert_eq!(code, exit::CONFIG);
    assert!(err.starts_with("error: account main: the ca_file DIR/token holds no certificate"), "{err}");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let site = Site::new(&CONFIG.replace("[bus.cabinet]", "ca_file = \"ca.pem\"\n[bus.cabinet]"));
    std::fs::write(site.path("ca.pem"), certificate.pem()).unwrap();
    let (code, _, err) = site.check(false);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn a_missing_adapter_is_a_warning_and_one_device_for_two_buses_an_error() {
    let site = Site::new(CONFIG);
    std::fs::remove_file(site.path("adapter")).unwrap();
    let (code, _, err) = site.check(false);
    assert_eq!(code, 0);
    assert!(err.starts_with("warning: bus cabinet: there is no DIR/adapter now"), "{err}");

    let site = Site::new(&CONFIG.replace("tcp = \"192.168.10.20\"", "serial = \"DIR/by-id\""));
    symlink(site.path("adapter"), site.path("by-id")).unwrap();
    let (code, _, err) = site.check(false);
    assert_eq!(code, exit::CONFIG);
    assert!(err.starts_with("error: buses cabinet and gateway are the same device"), "{err}");
}

#[test]
fn a_line_that_cannot_carry_its_polls_is_a_warning() {
    let slow = CONFIG.replace("serial = \"DIR/adapter\"", "serial = \"DIR/adapter\"\nbaud = 1200");
    let (_, _, err) = Site::new(&slow).check(false);
    assert!(!err.contains("intervals"), "{err}");
    let busy = slow.replace("ct_ratio = \"200/5\"", "ct_ratio = \"200/5\"\npoll_every = \"200ms\"");
    let (code, _, err) = Site::new(&busy).check(false);
    assert_eq!(code, 0);
    assert!(err.contains("warning: bus cabinet cannot poll as often as configured"), "{err}");
}

#[test]
fn a_credential_is_not_checked_outside_the_service() {
    let site = Site::new(&CONFIG.replace("token_file = \"DIR/token\"", "token_credential = \"main\""));
    let (code, _, err) = site.check(false);
    assert_eq!(code, 0, "{err}");
    assert!(err.starts_with("warning: account main: not checked here: "), "{err}");
}
