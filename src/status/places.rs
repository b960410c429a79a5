//! Who gets one of a listener's places. Pure: it decides, and the server closes connections.
//!
//! A connection that has not sent a whole request head yet, or takes its answer too slowly, yields to a new one, the oldest first. So
//! idle connections cost nobody an answer, and no user can take the places of the others.

use std::time::Duration;

/// The places of a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaceLimits {
    /// Connections at a time.
    pub(super) all: usize,
    /// Of these, places for privileged visitors only.
    pub(super) reserved: usize,
    /// Connections of one user who is not privileged.
    pub(super) each_user: usize,
    /// An answer that takes longer than this yields; `None`: it never does.
    pub(super) answer_within: Option<Duration>,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visitor {
    /// Whoever can reach the listener: nobody is told apart.
    Anybody,
    /// A user of this machine.
    User(u32),
    /// Root, or the daemon's own user.
    Privileged,
}

/// A connection that has a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) visitor: Visitor,
    /// How long ago its request's head was complete; `None` before that.
    pub(super) asked: Option<Duration>,
}

/// What is done with a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    /// It gets a free place.
    Free,
    /// It gets the place of the connection with this index, which is closed.
    Instead(usize),
    /// It is closed.
    Refused,
}

/// Which connections a rule counts.
type Among<'r> = &'r dyn Fn(&Holder) -> bool;

impl PlaceLimits {
    /// Where `visitor` goes. `holders`: the open connections, the oldest first.
    pub(super) fn place(&self, holders: &[Holder], visitor: Visitor) -> Placing {
        let privileged = visitor == Visitor::Privileged;
        let rules: [(bool, usize, Among<'_>); 3] = [
            (matches!(visitor, Visitor::User(_)), self.each_user, &|holder| holder.visitor == visitor),
            (!privileged, self.all - self.reserved, &|holder| holder.visitor != Visitor::Privileged),
            (true, self.all, &|_| true),
        ];
        for (applies, most, among) in rules {
            if applies && holders.iter().filter(|holder| among(holder)).count() >= most {
                // Closing one of these also makes room for the wider rules, which count them too.
                let yielding = holders.iter().position(|holder| among(holder) && self.yields(holder));
                return yielding.map_or(Placing::Refused, Placing::Instead);
            }
        }
        Placing::Free
    }

    fn yields(&self, holder: &Holder) -> bool {
        match (holder.asked, self.answer_within) {
            (None, _) => true,
            (Some(asked), Some(within)) => asked > within,
            (Some(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PlaceLimits =
        PlaceLimits { all: 6, reserved: 2, each_user: 3, answer_within: Some(Duration::from_secs(10)) };

    fn idle(visitor: Visitor) -> Holder {
        Holder { visitor, asked: None }
    }

    fn asked(visitor: Visitor, seconds: u64) -> Holder {
        Holder { visitor, asked: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn the_oldest_without_a_request_yields_and_nobody_who_is_being_answered() {
        let one = Visitor::Anybody;
        assert_eq!(LIMITS.place(&[idle(one); 3], one), Placing::Free);
        assert_eq!(LIMITS.place(&[asked(one, 1), idle(one), idle(one), asked(one, 1)], one), Placing::Instead(1));
        assert_eq!(LIMITS.place(&[asked(one, 1); 4], one), Placing::Refused);
        assert_eq!(LIMITS.place(&[asked(one, 9), asked(one, 11), idle(one), idle(one)], one), Placing::Instead(1));
        let patient = PlaceLimits { answer_within: None, ..LIMITS };
        assert_eq!(patient.place(&[asked(one, 1000); 4], one), Placing::Refused);
    }

    #[test]
    fn a_user_takes_no_place_of_another_user_nor_of_root() {
        let (one, other, root) = (Visitor::User(1000), Visitor::User(1001), Visitor::Privileged);
        let mine = [asked(other, 1), asked(one, 1), idle(one), asked(one, 1)];
        assert_eq!(LIMITS.place(&mine, one), Placing::Instead(2), "his own place");
        assert_eq!(LIMITS.place(&[asked(one, 1); 3], one), Placing::Refused);
        assert_eq!(LIMITS.place(&[asked(one, 1); 3], other), Placing::Free);
        let full = [asked(one, 1), asked(one, 1), asked(other, 1), asked(other, 1)];
        assert_eq!(LIMITS.place(&full, other), Placing::Refused, "the rest is reserved");
        assert_eq!(LIMITS.place(&full, root), Placing::Free);
        let with_root = [&full[..], &[idle(root); 2]].concat();
        assert_eq!(LIMITS.place(&with_root, one), Placing::Refused, "root yields to nobody but root");
        assert_eq!(LIMITS.place(&with_root, root), Placing::Instead(4));
    }
}
