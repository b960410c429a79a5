//! What slots come to, what the store keeps of them, and how periods add up.
