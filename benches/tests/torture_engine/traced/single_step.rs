//! Walks through one thread of another process instruction by instruction, and looks for those that only locks and their
//! like need: atomic read-modify-write, by a `lock` prefix or an `xchg` with memory. Judges nothing.

#![allow(unsafe_code, reason = "ptrace and waitpid have no safe form in the dependencies")]

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;

/// An instruction is at most this long.
const LONGEST: usize = 15;

/// What was walked through.
#[derive(Debug, Default)]
pub(super) struct Stepped {
    pub(super) n_instructions: u64,
    pub(super) n_system_calls: u64,
    /// System calls that were `clock_nanosleep`.
    pub(super) n_waits: u64,
    /// Atomic read-modify-write instructions: where they are, and how often they were executed.
    pub(super) atomics: BTreeMap<String, u64>,
}

impl std::fmt::Display for Stepped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { n_instructions, n_system_calls, n_waits, atomics } = self;
        let n_atomics: u64 = atomics.values().sum();
        write!(f, "{n_instructions} instructions, {n_system_calls} system calls, {n_waits} of them waits; ")?;
        write!(f, "{n_atomics} atomic read-modify-writes {atomics:?}")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Atomic,
    SystemCall,
}

/// What an instruction is, by its first bytes (Intel SDM, volume 2, chapter 2: prefixes in any order, then REX, then the
/// opcode; `xchg` with memory locks without being told to).
fn kind_of(bytes: &[u8]) -> Kind {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0xf0 => return Kind::Atomic,
            0x66 | 0x67 | 0xf2 | 0xf3 | 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 => at += 1,
            0x40..=0x4f => {
                at += 1;
                break;
            }
            _ => break,
        }
    }
    match bytes.get(at..) {
        Some([0x0f, 0x05, ..]) => Kind::SystemCall,
        Some([0x86 | 0x87, modrm, ..]) if modrm >> 6 != 3 => Kind::Atomic,
        _ => Kind::Plain,
    }
}

fn check(status: libc::c_long) -> Result<()> {
    if status < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// Waits until the thread has stopped; returns what stopped it, `None` where it has ended.
fn wait_for_stop(tid: i32) -> Result<Option<i32>> {
    let mut status = 0;
    // SAFETY: a live status; the thread is traced by us.
    check(unsafe { libc::waitpid(tid, &mut status, libc::__WALL) }.into())?;
    Ok(libc::WIFSTOPPED(status).then(|| libc::WSTOPSIG(status)))
}

/// Walks through thread `tid` of process `pid` for `most` instructions, or until one is atomic; then lets it go on.
pub(super) fn step_thread(pid: i32, tid: i32, most: u64) -> Result<Stepped> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: no pointers that are used.
    check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, tid, none, none) })?;
    // SAFETY: as above; the thread is ours now.
    check(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, tid, none, none) })?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut known: HashMap<u64, Kind> = HashMap::new();
    let mut atomics: BTreeMap<u64, u64> = BTreeMap::new();
    let mut stepped = Stepped::default();
    let mut stop = wait_for_stop(tid)?;
    while let Some(signal) = stop {
        // SAFETY: all zeros is a valid value; the kernel fills it.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: a live value of the kind that the request fills; the thread has stopped.
        check(unsafe { libc::ptrace(libc::PTRACE_GETREGS, tid, none, &raw mut registers) })?;
        let kind = match known.get(&registers.rip) {
            Some(&kind) => kind,
            None => {
                let mut bytes = [0; LONGEST];
                let n_read = memory.read_at(&mut bytes, registers.rip)?;
                let kind = kind_of(&bytes[..n_read]);
                known.insert(registers.rip, kind);
                kind
            }
        };
        stepped.n_instructions += 1;
        match kind {
            Kind::Plain => {}
            Kind::Atomic => *atomics.entry(registers.rip).or_insert(0) += 1,
            Kind::SystemCall => {
                stepped.n_system_calls += 1;
                stepped.n_waits += u64::from(registers.rax == libc::SYS_clock_nanosleep as u64);
            }
        }
        if stepped.n_instructions == most || !atomics.is_empty() {
            break;
        }
        // What stopped it for itself goes on to it; what we stopped it by does not.
        let pass_on = if matches!(signal, libc::SIGTRAP | libc::SIGSTOP) { 0 } else { signal };
        // SAFETY: no pointers that are used; the thread has stopped.
        check(unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, tid, none, pass_on as usize) })?;
        stop = wait_for_stop(tid)?;
    }
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    stepped.atomics = atomics.into_iter().map(|(place, n)| (in_file(&maps, place), n)).collect();
    // SAFETY: no pointers that are used. Where the thread has ended, there is nothing to let go.
    drop(check(unsafe { libc::ptrace(libc::PTRACE_DETACH, tid, none, none) }));
    Ok(stepped)
}

/// A place in memory as a file and an offset that addr2line takes, for position-independent programs.
fn in_file(maps: &str, place: u64) -> String {
    let found = maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let offset = u64::from_str_radix(rest.split_whitespace().nth(1)?, 16).ok()?;
        let name = rest.split_whitespace().last()?.rsplit('/').next()?;
        (from..to).contains(&place).then(|| format!("{name}+{:#x}", place - from + offset))
    });
    found.unwrap_or_else(|| format!("{place:#x}"))
}

#[test]
fn instructions_are_told_apart() {
    for (bytes, kind) in [
        (&[0xf0, 0x0f, 0xb1, 0x0a][..], Kind::Atomic),   // lock cmpxchg [rdx], ecx
        (&[0x66, 0xf0, 0x0f, 0xb1, 0x0a], Kind::Atomic), // lock cmpxchg [rdx], cx
        (&[0xf0, 0x48, 0xff, 0x00], Kind::Atomic),       // lock inc qword [rax]
        (&[0x87, 0x07], Kind::Atomic),                   // xchg [rdi], eax
        (&[0x48, 0x87, 0x07], Kind::Atomic),             // xchg [rdi], rax
        (&[0x48, 0x87, 0xc7], Kind::Plain),              // xchg rdi, rax
        (&[0x48, 0x89, 0x07], Kind::Plain),              // mov [rdi], rax
        (&[0x0f, 0x05], Kind::SystemCall),
        (&[0xf3, 0x0f, 0x10, 0x07], Kind::Plain), // movss xmm0, [rdi]
        (&[], Kind::Plain),
    ] {
        assert_eq!(kind_of(bytes), kind, "{bytes:02x?}");
    }
    let maps = "1000-2000 r-xp 00000500 08:01 7   /a/b/program\n";
    assert_eq!(in_file(maps, 0x1010), "program+0x510");
    assert_eq!(in_file(maps, 0x3000), "0x3000");
}
