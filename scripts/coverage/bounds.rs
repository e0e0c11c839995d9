//! The first and the last byte of what LLVM's instrumentation puts into three sections. The linker sorts the
//! parts of a section by what follows the `$`. Rust makes a section of one byte, which GNU as pads; llvm-cov
//! expects exactly one byte before the names.
#![no_std]
#![allow(non_upper_case_globals)]

#[used]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".lprfn$A")]
pub static names_first: u8 = 0;
#[used]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".lprfn$Z")]
pub static names_last: u8 = 0;

#[used]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".lprfc$A")]
pub static mut counters_first: u64 = 0;
#[used]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".lprfc$Z")]
pub static mut counters_last: u64 = 0;

#[used]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".lprfd$A")]
pub static mut data_first: u64 = 0;
#[used]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".lprfd$Z")]
pub static mut data_last: u64 = 0;
