//! Collections filled one by one.

/// What an iterator gives, in any collection.
pub trait OneByOne: Iterator + Sized {
    /// As `collect`, which brings a sorting routine of 10 KB into the program for each type of map that it makes.
    fn one_by_one<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> OneByOne for I {}
