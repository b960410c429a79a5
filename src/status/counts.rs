//! Counts by word, as the status document has them: a small list instead of a map, because there are several for each meter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Counts by word, in the order of the words. A JSON object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts(Vec<(Cow<'static, str>, u64)>);

impl Counts {
    /// The count of this word; `None` if it is not listed.
    pub fn get(&self, word: &str) -> Option<u64> {
        self.iter().find(|(known, _)| *known == word).map(|(_, count)| count)
    }

    /// Each word with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(word, count)| (&**word, *count))
    }
}

impl FromIterator<(&'static str, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (&'static str, u64)>>(counts: I) -> Self {
        let mut counts: Vec<_> = counts.into_iter().map(|(word, count)| (Cow::Borrowed(word), count)).collect();
        counts.sort_unstable();
        counts.shrink_to_fit();
        Counts(counts)
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
        Ok(Counts(counts.into_iter().map(|(word, count)| (Cow::Owned(word), count)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_an_object_in_the_order_of_their_words() {
        let counts: Counts = [("requests", 3), ("answers", 2)].into_iter().collect();
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(text, r#"{"answers":2,"requests":3}"#);
        assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
        assert_eq!((counts.get("answers"), counts.get("timeouts")), (Some(2), None));
    }
}
