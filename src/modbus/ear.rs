//! The receiving end of a link without a link: what a request would take out of bytes that came. For checks that have no wire.

use super::error::Garbled;
use super::{mbap, rtu};
use crate::meter::RegisterRange;

/// What comes in after requests, verified as [`super::Line`] verifies it.
#[derive(Debug)]
pub struct Ear(Framing);

#[derive(Debug)]
enum Framing {
    Rtu(Option<rtu::Inbox>),
    Tcp(mbap::Inbox),
}

impl Ear {
    /// Of a serial line, or of RTU frames in a TCP stream.
    pub fn rtu() -> Self {
        Ear(Framing::Rtu(None))
    }

    /// Of a Modbus TCP connection.
    pub fn tcp() -> Self {
        Ear(Framing::Tcp(mbap::Inbox::default()))
    }

    /// A request for `block` goes out to `unit`; `transaction` is its number where the framing has one.
    pub fn ask(&mut self, transaction: u16, unit: u8, block: RegisterRange) {
        match &mut self.0 {
            Framing::Rtu(inbox) => *inbox = Some(rtu::Inbox::new(unit, block)),
            Framing::Tcp(inbox) => {
                inbox.ask(unit, block.into());
                inbox.sent(&mbap::framed(transaction, unit, block.into()));
            }
        }
    }

    /// Takes what came next: the verified answer's whole frame once it is there.
    ///
    /// # Errors
    ///
    /// What is wrong with what came: the request has failed. On TCP the framing may be lost with it.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Garbled> {
        match &mut self.0 {
            Framing::Rtu(None) => Ok(None),
            Framing::Rtu(Some(inbox)) => {
                inbox.push(bytes);
                inbox.next()
            }
            Framing::Tcp(inbox) => {
                inbox.push(bytes);
                inbox.next().map_err(|broken| match broken {
                    mbap::Broken::Answer(why) | mbap::Broken::Framing(why) => why,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Function;

    const BLOCK: RegisterRange = RegisterRange { function: Function::Holding, address: 9, count: 2 };

    #[test]
    fn an_answer_is_heard_whatever_the_framing() {
        let mut tcp = Ear::tcp();
        tcp.ask(5, 1, BLOCK);
        assert_eq!(tcp.hear(&[0, 4, 0, 0, 0, 7, 1, 3, 4, 9, 9, 9, 9]), Ok(None), "to an earlier request");
        let answer = [0, 5, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2];
        assert_eq!(tcp.hear(&answer), Ok(Some(answer.to_vec())));
        let mut rtu = Ear::rtu();
        rtu.ask(0, 1, BLOCK);
        let answer = [1, 3, 4, 0, 1, 0, 2, 0x2A, 0x32];
        assert_eq!(rtu.hear(&answer[..4]), Ok(None));
        assert_eq!(rtu.hear(&answer[4..]), Ok(Some(answer.to_vec())));
        rtu.ask(0, 1, BLOCK);
        assert_eq!(rtu.hear(&[1, 3, 4, 0, 1, 0, 3, 0x2A, 0x32]), Err(Garbled::Checksum));
    }
}
