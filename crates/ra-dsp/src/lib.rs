//! Pure processing of interleaved `f32` blocks, for the audio thread.
//!
//! Constructors may allocate; everything that is called once per block is wait-free and allocates nothing. This crate
//! opens nothing, starts no thread, reads no clock and knows neither sources nor sinks: samples and numbers go in,
//! samples and numbers come out. [`FixedResampler`], [`routing_gains`] and [`map_gains`] alone are for the control
//! side, and say so.
//!
//! Samples that are NaN or infinite have no place in here: call [`replace_non_finite`] once where sound comes in.

mod clock_estimator;
mod decibel;
mod delay;
mod equaliser;
mod error;
mod gain_matrix;
mod insert;
mod limiter;
mod meter;
mod non_finite;
mod pan;
mod quantise;
mod ramp;
mod rate_steering;
mod resample;

pub use clock_estimator::{ClockEstimator, EstimatorCounts, Observation, SourcePosition, SourceTime};
pub use decibel::{db_to_lin, lin_to_db};
pub use delay::DelayLine;
pub use equaliser::{Band, BandKind, Equaliser, EqualiserConfig};
pub use error::DspError;
pub use gain_matrix::GainMatrix;
pub use insert::{Insert, InsertSlot, InsertStage};
pub use limiter::{Limiter, LimiterConfig};
pub use meter::{LevelMeter, SharedLevels};
pub use non_finite::replace_non_finite;
pub use pan::{MonoLaw, map_gains, routing_gains};
pub use quantise::{BitDepth, Quantiser};
pub use ramp::Ramp;
pub use rate_steering::RateSteering;
pub use resample::{FixedResampler, Quality, SteeredResampler};
