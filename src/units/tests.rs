use super::*;

#[test]
fn a_unit_is_1_to_247() {
    assert_eq!(UnitId::new(0), None);
    assert_eq!(UnitId::new(1).map(UnitId::get), Some(1));
    assert_eq!(UnitId::new(247).map(UnitId::get), Some(247));
    assert_eq!(UnitId::new(248), None);
    assert_eq!(UnitId::new(257), None);
    assert_eq!(UnitId::new(-1), None);
    assert_eq!([0, 255, 256, -1].map(|it| UnitId::on_tcp(it).map(UnitId::get)), [Some(0), Some(255), None, None]);
}

#[test]
fn energy_stays_within_the_exact_range_of_json() {
    assert_eq!(MilliwattHours::new(1 << 53), None);
    assert_eq!(MilliwattHours::MAX.checked_add(MilliwattHours(1)), None);
    assert_eq!(MilliwattHours(1).checked_sub(MilliwattHours(2)), None);
}

#[test]
fn a_client_id_is_shown_short_and_sent_complete() {
    let text = format!("0x{}{}", "AB".repeat(2), "0c".repeat(30));
    let id = ClientId::parse(&text).unwrap();
    assert_eq!(id.to_string(), "0xabab…0c0c");
    assert_eq!(format!("{id:?}"), "0xabab…0c0c");
    assert_eq!(id.to_hex(), text.to_lowercase());
    for wrong in ["", "0x", &text[2..], &text[..65], &text.replace('A', "+"), &text.replace("AB", "é")] {
        assert_eq!(ClientId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_name_is_a_bare_key() {
    assert!(Name::new("heat_pump-1").is_some());
    for wrong in ["", "a b", "a.b", "é", "a\n", &"x".repeat(65)] {
        assert_eq!(Name::new(wrong), None, "{wrong:?}");
    }
}
