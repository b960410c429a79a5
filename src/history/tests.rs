mod days;
mod hours;
mod slots;
mod store;
mod writer;
