mod days;
mod slots;
mod store;
mod writer;
