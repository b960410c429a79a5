//! Registers between values: which of them one read may cross, and which no read may touch.

use super::range::RegisterRange;
use crate::form::{Field, Form};

/// Where a read may cross registers that the profile does not name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Anywhere except in the holes.
    pub everywhere: bool,
    /// First and last register of each range in which it may.
    pub within: Vec<(u16, u16)>,
    /// First and last register of each range that no read may touch.
    pub holes: Vec<(u16, u16)>,
}

const MAX_RANGES: usize = 16;

impl Gaps {
    /// Reads the keys `gaps` and `holes`.
    pub(super) fn from_form(form: &Form<'_>) -> Self {
        let mut gaps = Gaps::default();
        match form.field("gaps") {
            Some(field) if field.is_array() => gaps.within = ranges(&field).unwrap_or_default(),
            Some(field) => gaps.everywhere = field.boolean().unwrap_or(false),
            None => {}
        }
        if let Some(field) = form.field("holes") {
            gaps.holes = ranges(&field).unwrap_or_default();
        }
        gaps
    }

    /// Whether one read may contain both ranges; `next` begins later.
    pub(super) fn may_join(&self, range: RegisterRange, next: RegisterRange) -> bool {
        let next = u32::from(next.address);
        if next <= range.end() {
            return true;
        }
        let covered = |(first, last): &(u16, u16)| u32::from(*first) <= range.end() && next - 1 <= u32::from(*last);
        let hole = |(first, last): &(u16, u16)| u32::from(*first) < next && range.end() <= u32::from(*last);
        !self.holes.iter().any(hole) && (self.everywhere || self.within.iter().any(covered))
    }

    /// The hole that this range touches.
    pub(super) fn hole_in(&self, range: RegisterRange) -> Option<(u16, u16)> {
        let touched = |(first, last): &&(u16, u16)| u32::from(*first) < range.end() && range.address <= *last;
        self.holes.iter().find(touched).copied()
    }
}

/// Reads `[[first, last], ..]`.
fn ranges(field: &Field<'_>) -> Option<Vec<(u16, u16)>> {
    let fields = field.array()?;
    if fields.len() > MAX_RANGES {
        return field.fail("has too many ranges", format!("at most {MAX_RANGES}"));
    }
    // All of them are read, so that every problem is reported.
    let ranges: Vec<_> = fields.iter().map(range).collect();
    ranges.into_iter().collect()
}

fn range(field: &Field<'_>) -> Option<(u16, u16)> {
    let help = "the first and the last register: [0x0190, 0x01B0]";
    let ends = if field.is_array() { field.array()? } else { Vec::new() };
    let [first, last] = ends.as_slice() else { return field.fail("is not a range of registers", help) };
    let (first, last) = (first.integer(0..=65535)?, last.integer(0..=65535)?);
    if first > last {
        return field.fail("ends before it begins", help);
    }
    Some((u16::try_from(first).ok()?, u16::try_from(last).ok()?))
}
