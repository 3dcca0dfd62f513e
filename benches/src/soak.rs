//! Long runs with criteria: a month in virtual time, hours in real time. What they measure is whether anything adds up
//! that should not: offsets, lost frames, accounts, memory.

mod criteria;
mod memory;
mod real;
mod virtual_time;

pub use criteria::Criteria;
pub use real::soak_in_real_time;
pub use virtual_time::soak_in_virtual_time;
