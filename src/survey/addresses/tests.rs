use proptest::prelude::*;

use super::*;

#[test]
fn one_host_or_a_range() {
    assert_eq!(addresses("10.0.0.7", true).unwrap(), ["10.0.0.7:502"]);
    assert_eq!(addresses("Meter-1.lan:1502", true).unwrap(), ["meter-1.lan:1502"]);
    assert_eq!(addresses("rs485_box", true).unwrap(), ["rs485_box:502"]);
    assert_eq!(addresses("[fd00::20]", true).unwrap(), ["[fd00::20]:502"]);
    assert_eq!(addresses("10.0.0.254-10.0.1.1:23", false).unwrap().len(), 4);
    assert_eq!(addresses("10.0.0.8-10:23", false).unwrap(), ["10.0.0.8:23", "10.0.0.9:23", "10.0.0.10:23"]);
    let network = addresses("192.168.1.77/24:502", true).unwrap();
    assert_eq!(
        (network.len(), network[0].as_str(), network[253].as_str()),
        (254, "192.168.1.1:502", "192.168.1.254:502")
    );
}

#[test]
fn a_wrong_address_is_an_error() {
    for wrong in [
        "",
        ":502",
        "10.0.0.1:0",
        "10.0.0.1:99999",
        "10.0.0.0/33",
        "10.0.0.0/8",
        "10.0.0.9-3:502",
        "a b:1",
        "-1",
        "1=2",
        "99999999999999999999",
        "10.0.0.300",
        "ä",
        "a..b",
        "[x]",
        "::1",
    ] {
        assert!(addresses(wrong, true).is_err(), "{wrong}");
    }
    assert!(addresses("10.0.0.1", false).is_err());
    assert!(addresses("http://10.0.0.1:502", true).unwrap_err().contains("no `://`"));
}

proptest! {
    #[test]
    fn the_list_is_bounded_for_any_input(text in "[0-9./:-]{0,24}") {
        if let Ok(list) = addresses(&text, true) {
            prop_assert!((1..=MAX_ADDRESSES as usize).contains(&list.len()));
        }
    }
}
