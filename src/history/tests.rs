mod days;
mod gather;
mod hours;
mod slots;
mod store;
mod writer;
