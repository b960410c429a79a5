//! What a Modbus TCP device at the other end of one connection is known to do beside the standard, and what follows for its answers. Pure.
//!
//! Nothing is assumed: each rule is proven by the answers of this connection, holds for this connection only, and is dropped at the first
//! answer that contradicts it. An answer that needs a rule which is not proven yet is not used; the caller repeats the request, and the
//! answers to the repetitions are the proof.
//!
//! # Why a proof is sound
//!
//! A late answer could look like a rule. So a proof needs answers of a connection on which no request is without its answer: then no late
//! answer exists. It needs [`PROOF`] consecutive answers with at least two lengths, so that a device that is always one answer behind
//! cannot prove anything: its lengths do not fit. We never send the transaction id 0, so that an answer with it is an answer to none of
//! our ids.
//!
//! Where the ids do not identify an answer, every failure ends the connection ([`TcpTolerance::must_reconnect`]): a late answer stays
//! behind on the old one. A gateway may send it over the new one, so a proof begins only when no answer is due any more
//! ([`TcpTolerance::doubt`]).
//!
//! # Devices that close each connection after its answer
//!
//! They never give three answers on one connection. If the only request of a connection had its answer, and then the other end closed it,
//! no answer is left behind, and what is known goes on to the next connection ([`TcpTolerance::on_next_connection`]). After any failure the proof
//! begins again.

use super::request::UnitRequest;

/// Consecutive answers that prove a rule of a Modbus TCP device.
const PROOF: usize = 3;
/// The same for exceptions with the transaction id 0: an exception is no value.
const PROOF_OF_EXCEPTIONS: usize = 2;
/// The units that devices write into their answers whatever was requested.
pub(super) const FIXED_UNITS: [u8; 3] = [0, 1, 255];

/// A frame over Modbus TCP whose function and length fit the request in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FittingFrame {
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) exception: bool,
    /// The length of its PDU in bytes.
    pub(super) length: usize,
}

/// What a frame is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameJudgement {
    /// The answer to the request in progress.
    Answer,
    /// An answer to an earlier request, or none of ours: the request waits on.
    Late,
    /// Probably the answer, but the rule that says so is not proven yet.
    Unproven,
    /// Another unit's frame under the request's transaction id.
    OtherUnit,
    /// It contradicts what this device has done so far: the connection is of no more use.
    Contradiction,
}

/// How the transaction ids of answers follow from those of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TransactionRule {
    #[default]
    Unknown,
    /// As the standard says.
    Same,
    Constant(u16),
    /// The request's id plus this, modulo 2^16.
    Shifted(u16),
}

/// Which unit answers carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UnitRule {
    #[default]
    Unknown,
    /// As the standard says.
    Same,
    Constant(u8),
}

/// One answer that is not used, as part of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Observation {
    sent: u16,
    frame: FittingFrame,
}

/// What a Modbus TCP device is known to do.
#[derive(Clone, Debug, Default)]
pub(super) struct TcpTolerance {
    transactions: TransactionRule,
    /// Whether exceptions have the id 0, whatever the rule for data is.
    zero_exceptions: bool,
    units: UnitRule,
    /// An answer of another unit than those of [`FIXED_UNITS`] carried its unit: other units are other meters.
    distinguishes: bool,
    /// A byte follows the PDU and is counted in the header.
    extra_byte: bool,
    /// Bytes that are no frame were skipped.
    packets: bool,
    /// The other end closes the connection after its answer.
    closes: bool,
    proof: Vec<Observation>,
    /// The first transaction id of this connection.
    first: Option<u16>,
    current: u16,
    /// The request in progress, until it has an answer.
    waiting: Option<UnitRequest>,
    /// A request of this connection found no answer: a late one may come.
    unanswered: bool,
    /// An id came that was never sent.
    strange: bool,
    contradicted: bool,
}

impl TcpTolerance {
    /// The next request begins, under this transaction id.
    pub(super) fn begin(&mut self, request: UnitRequest, transaction: u16) {
        if self.waiting.is_some() {
            self.failed();
        }
        self.closes &= self.first.is_none();
        self.first.get_or_insert(transaction);
        self.current = transaction;
        self.waiting = Some(request);
    }

    /// The request in progress ended without an answer.
    pub(super) fn failed(&mut self) {
        if self.waiting.take().is_some() {
            self.unanswered = true;
            self.proof.clear();
        }
    }

    /// Whether a request waits for its answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The frame that was just judged may be damaged, or an answer to a request of an earlier connection may come: until this connection is
    /// made again, nothing can be proven.
    pub(super) fn doubt(&mut self) {
        self.unanswered = true;
        self.proof.clear();
    }

    /// What a frame is worth whose function and length fit the request in progress.
    pub(super) fn judge(&mut self, frame: FittingFrame) -> FrameJudgement {
        let Some(request) = self.waiting else { return self.unrequested(frame.transaction) };
        match self.judge_transaction(frame) {
            FrameJudgement::Answer => self.judge_unit(request, frame),
            FrameJudgement::Unproven => self.prove(request, frame),
            other => other,
        }
    }

    /// A whole frame came that fits no request in progress. It is late, or it contradicts what the device has done so far.
    pub(super) fn unrequested(&mut self, transaction: u16) -> FrameJudgement {
        let late = match self.transactions {
            TransactionRule::Unknown | TransactionRule::Same => true,
            TransactionRule::Constant(_) => false,
            TransactionRule::Shifted(by) => self.was_sent(transaction.wrapping_sub(by)),
        };
        self.strange |= self.transactions == TransactionRule::Unknown && !self.was_sent(transaction);
        self.proof.clear();
        match late && !(self.zero_exceptions && transaction == 0) {
            true => FrameJudgement::Late,
            false => self.contradict(),
        }
    }

    fn judge_transaction(&mut self, frame: FittingFrame) -> FrameJudgement {
        let id = frame.transaction;
        if frame.exception && self.zero_exceptions && id == 0 && !self.unanswered {
            return FrameJudgement::Answer;
        }
        match self.transactions {
            TransactionRule::Constant(constant) if id == constant && !self.unanswered => FrameJudgement::Answer,
            TransactionRule::Constant(_) => self.contradict(),
            TransactionRule::Shifted(by) if id == self.current.wrapping_add(by) => FrameJudgement::Answer,
            TransactionRule::Shifted(by) if self.was_sent(id.wrapping_sub(by)) => FrameJudgement::Late,
            TransactionRule::Shifted(_) => self.contradict(),
            TransactionRule::Unknown | TransactionRule::Same if id == self.current => {
                if !frame.exception {
                    (self.transactions, self.strange) = (TransactionRule::Same, false);
                }
                FrameJudgement::Answer
            }
            TransactionRule::Same if !(frame.exception && id == 0) => FrameJudgement::Late,
            // A known id may be the one of a late answer, unless every request has had its answer.
            TransactionRule::Unknown if self.unanswered && self.was_sent(id) => FrameJudgement::Late,
            TransactionRule::Unknown | TransactionRule::Same => {
                self.strange |= !self.was_sent(id);
                FrameJudgement::Unproven
            }
        }
    }

    fn judge_unit(&mut self, request: UnitRequest, frame: FittingFrame) -> FrameJudgement {
        match self.units {
            _ if frame.unit == request.unit => {
                let tells = !FIXED_UNITS.contains(&frame.unit);
                let contradicts = matches!(self.units, UnitRule::Constant(unit) if unit != frame.unit);
                if tells || contradicts {
                    self.units = UnitRule::Same;
                }
                self.distinguishes |= tells;
            }
            UnitRule::Constant(unit) if unit == frame.unit => {}
            UnitRule::Unknown if FIXED_UNITS.contains(&frame.unit) && !self.goes_by_order() => {
                return self.prove(request, frame);
            }
            _ => {
                self.units = UnitRule::Same;
                self.failed();
                return FrameJudgement::OtherUnit;
            }
        }
        self.waiting = None;
        FrameJudgement::Answer
    }

    /// Adds a frame to the proof; it is the answer where that completes the proof.
    fn prove(&mut self, request: UnitRequest, frame: FittingFrame) -> FrameJudgement {
        if frame.unit != request.unit && !FIXED_UNITS.contains(&frame.unit) {
            return self.unrequested(frame.transaction);
        }
        self.waiting = None;
        // The request's own id is no late answer's.
        if self.unanswered && frame.transaction != self.current {
            return FrameJudgement::Unproven;
        }
        self.proof.push(Observation { sent: self.current, frame });
        if !self.is_proven(request) {
            let kept = self.proof.len().saturating_sub(PROOF);
            self.proof.drain(..kept);
            return FrameJudgement::Unproven;
        }
        self.proof.clear();
        FrameJudgement::Answer
    }

    /// Sets the rules that the proof allows, and says whether the last frame is an answer by them.
    fn is_proven(&mut self, request: UnitRequest) -> bool {
        let Some(last) = self.proof.last() else { return false };
        let Observation { sent, frame } = *last;
        let exceptions = self.proof.iter().rev().take_while(|seen| seen.frame.exception && seen.frame.transaction == 0);
        let zero_exceptions = exceptions.count() >= PROOF_OF_EXCEPTIONS;
        let lengths = self.proof.iter().any(|seen| seen.frame.length != frame.length);
        let complete = self.proof.len() >= PROOF && lengths;
        let all = |rule: &dyn Fn(&Observation) -> bool| complete && self.proof.iter().all(rule);
        let unknown = self.transactions == TransactionRule::Unknown;
        let transactions = if frame.transaction == sent {
            TransactionRule::Same
        } else if unknown && all(&|seen| seen.frame.transaction == frame.transaction) {
            TransactionRule::Constant(frame.transaction)
        } else if unknown && all(&|seen| shift(seen) == shift(last)) {
            TransactionRule::Shifted(shift(last))
        } else if zero_exceptions {
            self.transactions
        } else {
            return false;
        };
        let units = if frame.unit == request.unit {
            self.units
        } else if FIXED_UNITS.contains(&frame.unit)
            && self.units == UnitRule::Unknown
            && all(&|seen| seen.frame.unit == frame.unit)
        {
            UnitRule::Constant(frame.unit)
        } else if self.units != UnitRule::Constant(frame.unit) {
            return false;
        } else {
            self.units
        };
        self.zero_exceptions |= zero_exceptions && frame.transaction != sent;
        (self.transactions, self.units, self.strange) = (transactions, units, false);
        true
    }

    /// Whether this id was sent over this connection.
    fn was_sent(&self, transaction: u16) -> bool {
        let sent = |first: u16| transaction.wrapping_sub(first) <= self.current.wrapping_sub(first);
        transaction != 0 && self.first.is_some_and(sent)
    }

    fn contradict(&mut self) -> FrameJudgement {
        self.contradicted = true;
        FrameJudgement::Contradiction
    }

    /// Whether ids do not identify answers, so that only their order does. Then bytes that came between requests must be seen before the next
    /// one.
    pub(super) fn goes_by_order(&self) -> bool {
        matches!(self.transactions, TransactionRule::Constant(_)) || self.zero_exceptions
    }

    /// Whether a late answer on this connection could be taken for the next one: it must be closed.
    pub(super) fn must_reconnect(&self) -> bool {
        self.contradicted || self.has_open_answers() && (self.goes_by_order() || self.strange)
    }

    /// Whether an answer to a request of this connection may still come.
    pub(super) fn has_open_answers(&self) -> bool {
        self.unanswered || self.waiting.is_some()
    }

    /// The other end closed the connection while no request was waiting.
    pub(super) fn saw_close(&mut self) {
        self.closes = true;
    }

    /// What is known on the next connection. A gateway that distinguishes units goes on doing so. The rules hold there only where this
    /// connection had one request, its answer and nothing else, and is closed by the other end.
    pub(super) fn on_next_connection(&self) -> Option<TcpTolerance> {
        let had_one_request = self.first == Some(self.current);
        let may_have_more = self.has_open_answers() || self.contradicted;
        let has_rule = !self.proof.is_empty()
            || self.zero_exceptions
            || matches!(self.transactions, TransactionRule::Constant(_) | TransactionRule::Shifted(_))
            || matches!(self.units, UnitRule::Constant(_));
        if self.closes && had_one_request && !may_have_more && has_rule {
            return Some(TcpTolerance { first: None, current: 0, ..self.clone() });
        }
        let units = UnitRule::Same;
        self.distinguishes.then(|| TcpTolerance { distinguishes: true, units, ..TcpTolerance::default() })
    }

    /// Whether a second answer could be taken for the answer to the next request, or for a part of its proof.
    pub(super) fn confuses_second_answers(&self) -> bool {
        matches!(self.transactions, TransactionRule::Constant(_)) || !self.proof.is_empty()
    }

    /// Whether the line must be silent before the next request: a second answer has to come first, and the end of the connection has to be
    /// seen.
    pub(super) fn needs_silence(&self) -> bool {
        self.confuses_second_answers() || self.closes
    }

    /// A byte followed the PDU and was counted in the header.
    pub(super) fn saw_extra_byte(&mut self) {
        self.extra_byte = true;
    }

    /// Bytes that are no frame were skipped.
    pub(super) fn saw_packet(&mut self) {
        self.packets = true;
    }

    /// What the device is known to do, in words.
    pub(super) fn shown(&self) -> Vec<String> {
        let transactions = match self.transactions {
            TransactionRule::Unknown | TransactionRule::Same => None,
            TransactionRule::Constant(id) => Some(format!("answers carry transaction id {id} whatever was sent")),
            TransactionRule::Shifted(by) => {
                Some(format!("answers carry the request's transaction id {:+}", i32::from(by.cast_signed())))
            }
        };
        let exceptions = self.zero_exceptions && self.transactions != TransactionRule::Constant(0);
        let unit = match self.units {
            UnitRule::Constant(unit) => Some(format!("answers carry unit {unit} whatever was requested")),
            UnitRule::Unknown | UnitRule::Same => None,
        };
        let fixed = [
            (exceptions, "exceptions carry transaction id 0"),
            (self.extra_byte, "answers are one byte too long"),
            (self.packets, "bytes that are no Modbus TCP frame come between the answers and are skipped"),
            (self.closes, "the connection is closed after each answer"),
        ];
        let fixed = fixed.into_iter().filter(|(so, _)| *so).map(|(_, text)| text.to_owned());
        transactions.into_iter().chain(unit).chain(fixed).collect()
    }
}

fn shift(seen: &Observation) -> u16 {
    seen.frame.transaction.wrapping_sub(seen.sent)
}

#[cfg(test)]
mod tests;
