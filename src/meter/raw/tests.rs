//! Each number format against an independent encoder.

use proptest::prelude::*;

use super::*;
use crate::meter::exact::approximate;
use crate::meter::number::Format;

#[test]
fn the_step_of_a_float_is_the_distance_to_the_next() {
    // 131072 kWh in f32: the next float is 1/64 kWh away.
    assert_eq!(RawNumber::Single(131_072.0).step(), Some(Exact::new(1, 64)));
    assert_eq!(RawNumber::Single(131_071.99).step(), Some(Exact::new(1, 128)));
    assert_eq!(RawNumber::Double(2_f64.powi(53)).step(), Some(Exact::from_integer(2)));
    assert_eq!(RawNumber::Single(0.0).step(), Some(ZERO));
    assert_eq!(RawNumber::new(Kind::F32, f32::NAN.to_bits().into()), None);
    assert_eq!(RawNumber::new(Kind::F64, f64::INFINITY.to_bits()), None);
    assert_eq!(RawNumber::Double(1e300).value(), None);
    assert_eq!(RawNumber::Single(-0.0).value(), Some(ZERO));
}

proptest! {
    #[test]
    fn a_float_is_converted_exactly(value in -1e15_f64..1e15) {
        // Both conversions are exact in f64: the denominator is a power of two.
        prop_assert_eq!(RawNumber::Double(value).value().map(approximate), Some(value));
    }

    #[test]
    fn whole_numbers_decode_as_they_were_encoded(
        kind in prop::sample::select(&WHOLE), raw in any::<u64>(), shift in 0_u32..64, minus in any::<bool>(),
        low_word in any::<bool>(), low_byte in any::<bool>(),
    ) {
        // Small numbers as often as large ones.
        let size = i128::try_from(u128::from(raw >> shift) % kind.range()).unwrap();
        let has_sign = kind.word().starts_with('i') || kind.word().starts_with("sm");
        let number = if has_sign && minus { -size } else { size };
        let words = ordered(encoded(kind, number), low_word, low_byte);
        let format = Format { kind, low_word_first: low_word, low_byte_first: low_byte };
        prop_assert_eq!(words.len(), usize::from(kind.registers()));
        let read = RawNumber::new(kind, format.bits(&words)).unwrap();
        prop_assert_eq!((read.value(), read.step()), (Some(Exact::from_integer(number)), Some(ONE)));
    }

    #[test]
    fn numbers_with_an_exponent_decode_as_they_were_encoded(
        number in -0x80_0000_i32..=0x7F_FFFF, exponent in -12_i8..=12, signed in any::<bool>(), low_word in any::<bool>(),
    ) {
        let (kind, number) = if signed { (Kind::T6, number) } else { (Kind::T5, number + 0x80_0000) };
        let [_, high, middle, low] = number.to_be_bytes();
        let [power] = exponent.to_be_bytes();
        let words = [u16::from_be_bytes([power, high]), u16::from_be_bytes([middle, low])];
        let format = Format { kind, low_word_first: low_word, low_byte_first: false };
        let read = RawNumber::new(kind, format.bits(&ordered(words.to_vec(), low_word, false))).unwrap();
        let power = 10_i128.pow(exponent.unsigned_abs().into());
        let worth = |number| Some(if exponent < 0 { Exact::new(number, power) } else { Exact::from_integer(number * power) });
        prop_assert_eq!((read.value(), read.step()), (worth(number.into()), worth(1)));
    }

    #[test]
    fn a_digit_that_is_too_large_makes_no_number(place in 0_u32..8, digit in 10_u64..16, group in 10_000_u64..65_536) {
        prop_assert_eq!(RawNumber::new(Kind::Bcd32, digit << (4 * place)), None);
        prop_assert_eq!(RawNumber::new(Kind::Mod10k32, group << (16 * (place % 2))), None);
    }
}

const WHOLE: [Kind; 18] = [
    Kind::U16,
    Kind::I16,
    Kind::U32,
    Kind::I32,
    Kind::U48,
    Kind::I48,
    Kind::U64,
    Kind::I64,
    Kind::Sm16,
    Kind::Sm32,
    Kind::Sm64,
    Kind::Bcd16,
    Kind::Bcd32,
    Kind::Bcd48,
    Kind::Bcd64,
    Kind::Mod10k32,
    Kind::Mod10k48,
    Kind::Mod10k64,
];

/// The registers of a whole number, high word first, made from its digits or its bytes.
fn encoded(kind: Kind, number: i128) -> Vec<u16> {
    let registers = usize::from(kind.registers());
    let text = |radix| {
        let digits = format!("{number:0width$}", width = 4 * registers);
        let groups = digits.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap());
        groups.map(|group| u16::from_str_radix(group, radix).unwrap()).collect()
    };
    match kind.word().trim_end_matches(char::is_numeric) {
        "bcd" => text(16),
        "mod10k" => text(10),
        "sm" => {
            let mut words = encoded(Kind::U64, number.abs()).split_off(4 - registers);
            words[0] += if number < 0 { 0x8000 } else { 0 };
            words
        }
        _ => {
            let bytes = number.to_be_bytes();
            bytes[16 - 2 * registers..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
        }
    }
}

fn ordered(mut words: Vec<u16>, low_word_first: bool, low_byte_first: bool) -> Vec<u16> {
    if low_word_first {
        words.reverse();
    }
    let swapped = |word: u16| if low_byte_first { word.rotate_right(8) } else { word };
    words.into_iter().map(swapped).collect()
}

#[test]
fn unusual_types_decode_as_their_vendors_define_them() {
    // Bit 31 is the sign; minus zero is zero.
    assert_eq!(RawNumber::new(Kind::Sm32, 0x8000_00FF), Some(RawNumber::Integer(-255)));
    assert_eq!(RawNumber::new(Kind::Sm32, 0x8000_0000), Some(RawNumber::Integer(0)));
    // 0xFE is 10^-2.
    assert_eq!(RawNumber::new(Kind::T6, 0xFE00_04D2).unwrap().value(), Some(Exact::new(1234, 100)));
    assert_eq!(RawNumber::new(Kind::T6, 0x01FF_FFFF).unwrap().value(), Some(Exact::from_integer(-10)));
    assert_eq!(RawNumber::new(Kind::T5, 0x01FF_FFFF).unwrap().value(), Some(Exact::from_integer(167_772_150)));
    // 10^127 is beyond any meter. It does not overflow silently.
    assert_eq!(RawNumber::new(Kind::T6, 0x7F00_0001).unwrap().value(), None);
    assert_eq!(RawNumber::new(Kind::T6, 0x7F00_0000).unwrap().value(), Some(ZERO));
    assert_eq!(RawNumber::new(Kind::Mod10k32, 0x0002_270F), Some(RawNumber::Integer(29_999)));
    assert_eq!(RawNumber::new(Kind::Bcd32, 0x0012_3456), Some(RawNumber::Integer(123_456)));
}
