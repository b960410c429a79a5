mod slots;
mod store;
mod writer;
