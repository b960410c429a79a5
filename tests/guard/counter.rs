//! The simulated meter: what it counts, and what its registers say.

use crate::load::MINUTE;
use crate::site::{Fault, FaultKind, PowerRegister, Site};
use crate::world::scramble;

/// The answer to one poll.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub register: Option<u64>,
    /// In mW.
    pub power: Option<i64>,
    pub serial: Option<&'static str>,
    pub kept: u64,
    pub believable: bool,
}

pub(crate) struct Counter<'a> {
    site: &'a Site,
    now: u64,
    /// The energy consumed, in µJ.
    truth: u128,
    /// The energy at the last update of the register, in mWh.
    kept: u64,
    /// The power over time since the last whole stretch, in W x ms, and the average of the last one, in mW.
    stretch: i64,
    average: i64,
    /// The fault that lasts: the register and the energy at its beginning, and whether it is believable.
    fault: Option<(Fault, u64, u64, bool)>,
    /// The last right register that was read, and the moment of the read before the one that showed its last advance.
    read: Option<u64>,
    read_at: u64,
    stood_from: u64,
}

impl<'a> Counter<'a> {
    pub(crate) fn new(site: &'a Site) -> Self {
        Counter {
            site,
            now: 0,
            truth: 0,
            kept: 0,
            stretch: 0,
            average: site.load.watts(0) * 1000,
            fault: None,
            read: None,
            read_at: 0,
            stood_from: 0,
        }
    }

    /// The energy that the meter has counted since the start, in mWh.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// The answer to the poll of this number at this moment. An answer that is not heard changes nothing for the faults.
    pub(crate) fn answer(&mut self, at: u64, polls: usize, heard: bool) -> Answer {
        let (every, phase) = self.site.update;
        let update = (at + phase) / every * every;
        if update >= self.now + phase {
            self.advance(update - phase);
            self.kept = (self.truth / 3_600_000) as u64;
        }
        self.advance(at);
        let right = self.right(at);
        let power = self.power(at);
        let serials = self.site.serials;
        let mut answer = Answer {
            register: Some(right),
            power: (self.site.power != PowerRegister::Absent).then_some(power),
            serial: (!serials.is_empty()).then(|| serials[polls % serials.len()]),
            kept: self.kept,
            believable: false,
        };
        let fault = self.site.faults.iter().find(|fault| (fault.from..fault.to).contains(&at));
        match fault {
            _ if !heard => {}
            Some(fault) => self.spoil(&mut answer, *fault, at, right),
            None => {
                self.fault = None;
                if self.read.is_none_or(|read| right > read) {
                    self.stood_from = self.read_at;
                    self.read = Some(right);
                }
                self.read_at = at;
            }
        }
        answer
    }

    fn advance(&mut self, to: u64) {
        let load = &self.site.load;
        let stretch = if let PowerRegister::Average(stretch) = self.site.power { stretch } else { u64::MAX };
        while self.now < to {
            let stretch_end = (self.now / stretch).saturating_add(1).saturating_mul(stretch);
            let until = to.min(load.next_change(self.now)).min(stretch_end);
            let (watts, lasts) = (load.watts(self.now), until - self.now);
            self.truth += watts.max(0) as u128 * u128::from(lasts) * 1000;
            if stretch < u64::MAX {
                self.stretch += watts * lasts as i64;
                if until == stretch_end {
                    self.average = self.stretch * 1000 / stretch as i64;
                    self.stretch = 0;
                }
            }
            self.now = until;
        }
    }

    /// The right register, with its noise.
    fn right(&self, at: u64) -> u64 {
        let site = self.site;
        let noise = match site.noise {
            0 => 0,
            limit => (scramble(at) % (2 * limit + 1)) as i64 - limit as i64,
        };
        let register = (site.base + self.kept) / site.step * site.step;
        let register = register.saturating_add_signed(noise * site.step as i64);
        site.rollover.map_or(register, |size| register % size)
    }

    /// What the power register says, in mW.
    fn power(&self, at: u64) -> i64 {
        let milliwatts = self.site.load.watts(at) * 1000;
        let unit = self.site.power_step;
        let power = match self.site.power {
            PowerRegister::Absent | PowerRegister::Zero => 0,
            PowerRegister::Right => milliwatts,
            PowerRegister::Reversed => -milliwatts,
            PowerRegister::Times(factor, divisor) => milliwatts * factor / divisor,
            PowerRegister::Average(_) => self.average,
            PowerRegister::OnePhase => milliwatts * (20 + (scramble(at / MINUTE) % 28) as i64) / 100,
            PowerRegister::Unsigned(bits, unit) if milliwatts < 0 => milliwatts + (1 << bits) * unit,
            PowerRegister::Unsigned(..) => milliwatts,
        };
        power / unit * unit
    }

    fn spoil(&mut self, answer: &mut Answer, fault: Fault, at: u64, right: u64) {
        let begins = self.fault.is_none_or(|(lasting, ..)| lasting.from != fault.from);
        let before = self.read.unwrap_or(right);
        let (_, register, kept, _) = match self.fault {
            Some(lasting) if !begins => lasting,
            _ => (fault, before, self.kept, false),
        };
        let wrong = match fault.kind {
            FaultKind::Above(height) => Some(right + height),
            FaultKind::Below(depth) => Some(right.saturating_sub(depth)),
            FaultKind::Says(value) => Some(value),
            FaultKind::Garbage(most) => Some(scramble(at) % (most + 1)),
            FaultKind::Times(factor, divisor) => Some(right * factor / divisor),
            FaultKind::CountsTimes(factor) => Some(register + (self.kept - kept) * factor),
            FaultKind::Frozen => Some(register),
            FaultKind::OtherMeter(start, watts) => {
                answer.power = answer.power.map(|_| watts * 1000);
                Some(start + watts as u64 * (at - fault.from) / 3600)
            }
            FaultKind::Power(watts) => {
                answer.power = answer.power.map(|_| watts * 1000);
                Some(right)
            }
            FaultKind::Null => None,
        };
        let wrong = wrong.map(|wrong| wrong / self.site.step * self.site.step);
        let elapsed = at - self.stood_from + self.site.poll;
        let most = self.site.max_power * elapsed / 3600 * 5 / 4 + 2 * self.site.step;
        let fits = |wrong: u64| self.read.is_some() && wrong <= before + most;
        let believable = if begins { wrong.is_some_and(fits) } else { self.fault.is_some_and(|(.., fits)| fits) };
        self.fault = Some((fault, register, kept, believable));
        answer.register = wrong;
        answer.believable = believable;
    }
}
