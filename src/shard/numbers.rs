//! The numbers that a process is given, by options or by its environment, and what they mean together.

use super::{ShardCount, Sharding};

/// A number as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenNumber {
    /// The option or variable, as a message names it.
    pub name: &'static str,
    /// Its value.
    pub text: String,
}

/// All numbers as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardNumbers {
    /// How many shards there are.
    pub shards: Option<GivenNumber>,
    /// Which one this is, from 1.
    pub shard: Option<GivenNumber>,
    /// Which one this is, from 0.
    pub index: Option<GivenNumber>,
}

/// Why the numbers say nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant has its message")]
pub enum ShardError {
    #[error("{name} is \"{text}\": it must be a whole number from {from} to {to}")]
    Number { name: &'static str, text: String, from: u16, to: u16 },
    #[error("{name} is {text}, but there {}: it must be a number from {from} to {to}", are(*.count))]
    NoSuchShard { name: &'static str, text: String, count: ShardCount, from: u16, to: u16 },
    #[error(
        "{shard} is {number} and {index} is {position}, which is shard {}: the first counts from 1, the second from 0; give only one of \
         them",
        .position + 1
    )]
    Contradiction { shard: &'static str, number: u16, index: &'static str, position: u16 },
    #[error("{name} is given, but not how many shards there are: set ARKMETER_SHARDS, or add --shards")]
    NoCount { name: &'static str },
}

impl ShardNumbers {
    /// What the numbers mean; `None` if there are none, for a process without shards.
    ///
    /// # Errors
    /// When one is no number or out of its range, when two contradict each other, or when the count is missing.
    pub fn sharding(&self) -> Result<Option<Sharding>, ShardError> {
        let Some(shards) = &self.shards else {
            return match self.shard.as_ref().or(self.index.as_ref()) {
                None => Ok(None),
                Some(given) => Err(ShardError::NoCount { name: given.name }),
            };
        };
        let count = shards.number(1, ShardCount::MAX)?;
        let count = ShardCount::new(count).ok_or_else(|| shards.wrong(1, ShardCount::MAX))?;
        let number = self.shard.as_ref().map(|given| given.one_of(count, 1)).transpose()?;
        let position = self.index.as_ref().map(|given| given.one_of(count, 0)).transpose()?;
        if let (Some(number), Some(position)) = (number, position)
            && number != position + 1
            && let (Some(shard), Some(index)) = (&self.shard, &self.index)
        {
            return Err(ShardError::Contradiction { shard: shard.name, number, index: index.name, position });
        }
        let number = number.or(position.map(|position| position + 1));
        Ok(Some(number.and_then(|number| count.shard(number)).map_or(Sharding::All(count), Sharding::One)))
    }
}

impl GivenNumber {
    fn number(&self, from: u16, to: u16) -> Result<u16, ShardError> {
        let digits = !self.text.is_empty() && self.text.bytes().all(|byte| byte.is_ascii_digit());
        let number = self.text.parse().ok().filter(|number| digits && (from..=to).contains(number));
        number.ok_or_else(|| self.wrong(from, to))
    }

    fn wrong(&self, from: u16, to: u16) -> ShardError {
        ShardError::Number { name: self.name, text: crate::text::foreign(&self.text, 64), from, to }
    }

    /// The number of a shard, counted from `from`.
    fn one_of(&self, count: ShardCount, from: u16) -> Result<u16, ShardError> {
        let to = count.get() - 1 + from;
        self.number(from, to).map_err(|error| match self.text.parse::<u16>() {
            Ok(_) => ShardError::NoSuchShard { name: self.name, text: self.text.clone(), count, from, to },
            Err(_) => error,
        })
    }
}

fn are(count: ShardCount) -> String {
    if count.get() == 1 { "is 1 shard".to_owned() } else { format!("are {count} shards") }
}
