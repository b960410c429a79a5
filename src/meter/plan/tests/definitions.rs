//! The definition of a register. Ledgers store its text, so that an upgrade must not change it.

use super::*;
use crate::meter::library;

/// Definitions as arkmeter 0.1.0 stored them. Another text would start a new epoch for every meter of that profile.
#[test]
fn definitions_are_those_that_existing_ledgers_store() {
    let plain = Installation::default();
    let reversed = Installation { reversed: true, ..plain };
    let ratio = |text| TransformerRatio::parse(text).unwrap();
    let transformers = Installation { ct_ratio: ratio("100/3"), pt_ratio: ratio("0.5"), ..plain };
    let second = Installation { chain_meter: Some(2), ..plain };
    for (profile, installation, stored) in [
        ("abb-b23", plain, "[holding 0x5000 u64 x 10000] mWh"),
        ("eastron-sdm630", plain, "[input 0x0048 f32 x 1000000] mWh"),
        ("eastron-sdm630", reversed, "[input 0x004a f32 x 1000000] mWh"),
        ("abb-a43", transformers, "[holding 0x5000 u64 x 500000/3] mWh"),
        (
            "acrel-adl400",
            plain,
            "[holding 0x000a u32 x 10000] * [holding 0x008d u16 x 1] * [holding 0x008e u16 x 1] mWh",
        ),
        (
            "chint-dtsu666/block-40",
            plain,
            "[holding 0x401e f32 x 1000000] * [holding 0x0006 u16 x 1] * [holding 0x0007 u16 x 1/10] mWh",
        ),
        (
            "fronius-ts-100a-1",
            plain,
            "[holding 0x0400 i32 low word first x 1000000] + [holding 0x0402 i32 low word first x 1000] mWh",
        ),
        ("iskra-wm3m4", plain, "[input 0x01a2 i32 x 1000 x 10^ 0x019e i16] mWh"),
        ("orno-or-we-515", plain, "[holding 0xa000 u32 x 10000] mWh, rollover 1000000000000 mWh"),
        ("orno-or-we-515", transformers, "[holding 0xa000 u32 x 500000/3] mWh, rollover 16666666666667 mWh"),
        ("be-mpm3pm", plain, "[holding 0x0002 u32 x 10000] mWh"),
        ("carlo-gavazzi-em112", reversed, "[holding 0x0020 i32 low word first x 100000] absolute mWh"),
        ("ime-conto-d2", reversed, "integrated from power"),
        ("be-mpm3pm", reversed, "[holding 0x0004 u32 x 10000] mWh"),
        (
            "siemens-pac2200",
            plain,
            "[holding 0x0321 f64 x 1000] + [holding 0x0325 f64 x 1000] mWh, rollover 1000000000000000 mWh",
        ),
        (
            "siemens-pac2200",
            reversed,
            "[holding 0x0329 f64 x 1000] + [holding 0x032d f64 x 1000] mWh, rollover 1000000000000000 mWh",
        ),
        (
            "solaredge-meter-1",
            plain,
            "models 201 202 203 204, meter 1: [holding 0x002e u32 x 1000 x 10^ 0x0036 i16] mWh",
        ),
        (
            "solaredge-meter-1",
            second,
            "models 201 202 203 204, meter 2: [holding 0x002e u32 x 1000 x 10^ 0x0036 i16] mWh",
        ),
        ("sunspec-meter/float", reversed, "models 211 212 213 214, meter 1: [holding 0x003c f32 x 1000] mWh"),
    ] {
        let (name, map) = profile.split_once('/').unwrap_or((profile, ""));
        let profile = &library().find(name).unwrap().profile;
        let profile = profile.map(map).map_or(profile, |map| &map.profile);
        assert_eq!(ReadPlan::new(profile, &installation).definition().text, stored, "{name} {map}");
    }
}

#[test]
fn equal_definitions_are_equal_however_written() {
    let definition = |energy: &str| plan(&meter("", "register = 90\ntype = \"i16\"", energy)).definition();
    let written = "register = 0x0000\ntype = \"u32\"\nunit = \"Wh\"\nscale = 10.0\nword_order = \"big\"";
    assert_eq!(definition(ENERGY), definition(written));
    assert_eq!(definition(ENERGY).text, "[holding 0x0000 u32 x 10000] mWh");
    for other in [
        ENERGY.replace("0.01", "0.1"),
        ENERGY.replace("kWh", "Wh"),
        ENERGY.replace("u32", "i32"),
        ENERGY.replace("= 0\n", "= 3\n"),
        format!("{ENERGY}\nword_order = \"little\""),
        format!("{ENERGY}\nbyte_order = \"little\""),
        format!("{ENERGY}\nrollover = 1000000"),
        format!("{ENERGY}\nratio = {{ register = 9, type = \"u16\" }}"),
    ] {
        assert_ne!(definition(ENERGY), definition(&other), "{other}");
    }
    // The order of terms and ratios has no meaning, nor has the word order of a single register.
    for (one, other) in [
        (
            "sum = [{ register = 0 }, { register = 2 }]\ntype = \"u32\"",
            "sum = [{ register = 2 }, { register = 0 }]\ntype = \"u32\"",
        ),
        ("register = 0\ntype = \"u16\"", "register = 0\ntype = \"u16\"\nword_order = \"little\""),
        (
            "register = 0\ntype = \"u16\"\nratio = [{ register = 7, type = \"u16\" }, { register = 9, type = \"u16\" }]",
            "register = 0\ntype = \"u16\"\nratio = [{ register = 9, type = \"u16\" }, { register = 7, type = \"u16\" }]",
        ),
    ] {
        assert_eq!(
            definition(&format!("unit = \"Wh\"\n{one}")),
            definition(&format!("unit = \"Wh\"\n{other}")),
            "{one}"
        );
    }
    let profile = meter("", POWER, ENERGY);
    let with = |ratio| Installation { ct_ratio: TransformerRatio::parse(ratio).unwrap(), ..Installation::default() };
    assert_ne!(plan(&profile).definition(), ReadPlan::new(&profile, &with("40")).definition());
    let (plate, number) = (with("200/5"), with("40.0"));
    assert_eq!(ReadPlan::new(&profile, &plate).definition(), ReadPlan::new(&profile, &number).definition());
    // Changes outside the energy do not matter.
    assert_eq!(plan(&meter("gaps = true", "register = 7\ntype = \"u16\"", ENERGY)).definition(), definition(ENERGY));
}
