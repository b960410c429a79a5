//! Collections filled one by one and lists put in order without the sorting routines that the standard library compiles anew, 5 to 10 KB
//! each time, for every type: what is sorted here is short, and the program has to be small.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What an iterator gives, in any collection.
pub trait OneByOne: Iterator + Sized {
    /// As `collect`, which sorts what becomes a map or a set.
    fn one_by_one<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }

    /// As [`OneByOne::one_by_one`], of all or nothing.
    fn all_one_by_one<C: Default + Extend<T>, T>(mut self) -> Option<C>
    where
        Self: Iterator<Item = Option<T>>,
    {
        self.try_fold(C::default(), |mut all, item| {
            all.extend([item?]);
            Some(all)
        })
    }

    /// As `sort`.
    fn in_order(self) -> Vec<Self::Item>
    where
        Self::Item: Ord,
    {
        self.one_by_one::<BinaryHeap<_>>().into_sorted_vec()
    }

    /// As `sort_by_key`: those with equal keys stay in their order.
    fn in_order_of<K: Ord>(self, key: impl Fn(&Self::Item) -> K) -> Vec<Self::Item> {
        let keyed = self.enumerate().map(|(place, item)| Keyed { key: (key(&item), place), item });
        keyed.in_order().into_iter().map(|keyed| keyed.item).collect()
    }
}

impl<I: Iterator> OneByOne for I {}

/// An item that is ordered by its key alone.
struct Keyed<K, T> {
    key: K,
    item: T,
}

impl<K: Ord, T> Ord for Keyed<K, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl<K: Ord, T> PartialOrd for Keyed<K, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, T> PartialEq for Keyed<K, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord, T> Eq for Keyed<K, T> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_standard_library(items in prop::collection::vec((0u8..8, any::<u8>()), 0..50)) {
            let (mut sorted, mut by_key) = (items.clone(), items.clone());
            sorted.sort();
            by_key.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(items.iter().copied().in_order(), sorted);
            prop_assert_eq!(items.into_iter().in_order_of(|(key, _)| *key), by_key);
        }
    }

    #[test]
    fn all_or_nothing() {
        assert_eq!([Some(1), Some(2)].into_iter().all_one_by_one(), Some(vec![1, 2]));
        assert_eq!([Some(1), None].into_iter().all_one_by_one::<Vec<_>, i32>(), None);
    }
}
