//! Eight numbers at once: in plain arithmetic, and in a processor's own instructions. Knows no filter.
//!
//! Left to itself the compiler makes single multiplications of half of it (measured: four times the time), so the wide
//! form is written out.
#![cfg_attr(target_arch = "x86_64", allow(unsafe_code, reason = "instructions that not every processor has"))]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm256_castps256_ps128,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_storeu_ps,
};

/// How many.
pub(super) const LANES: usize = 8;

/// Arithmetic on [`LANES`] numbers side by side.
pub(super) trait Lanes: Copy {
    /// The same number in all of them.
    fn splat(value: f32) -> Self;
    /// From memory.
    fn load(values: &[f32; LANES]) -> Self;
    /// To memory.
    fn store(self, values: &mut [f32; LANES]);
    /// `self · factor`, in each lane.
    fn multiply(self, factor: Self) -> Self;
    /// `self · factor + addend`, in each lane.
    fn multiply_add(self, factor: Self, addend: Self) -> Self;
    /// The sum of all lanes, by halves: the same order everywhere.
    fn total(self) -> f32;
}

/// On every machine.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

impl Lanes for Portable {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        Self(*values)
    }

    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        *values = self.0;
    }

    #[inline(always)]
    fn multiply(self, factor: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] * factor.0[lane]))
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // 64-bit ARM always can in one rounding. Elsewhere that may be a slow function.
        let one = |a: f32, b: f32, c: f32| if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c };
        Self(std::array::from_fn(|lane| one(self.0[lane], factor.0[lane], addend.0[lane])))
    }

    #[inline(always)]
    fn total(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

/// AVX2 with FMA. Its methods are only for code that runs behind a check for both: see `kernel.rs`.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256);

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2 {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the processor has AVX: whoever uses this type has checked.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        // SAFETY: the processor has AVX, and the reference is to eight numbers.
        Self(unsafe { _mm256_loadu_ps(values.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        // SAFETY: the processor has AVX, and the reference is to eight numbers, and exclusive.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn multiply(self, factor: Self) -> Self {
        // SAFETY: the processor has AVX: whoever uses this type has checked.
        Self(unsafe { _mm256_mul_ps(self.0, factor.0) })
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the processor has FMA: whoever uses this type has checked.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn total(self) -> f32 {
        // SAFETY: the processor has AVX: whoever uses this type has checked.
        unsafe {
            let fours = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let twos = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
            _mm_cvtss_f32(_mm_add_ss(twos, _mm_movehdup_ps(twos)))
        }
    }
}
