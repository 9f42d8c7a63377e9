use std::ffi::c_char;

#[no_mangle]
pub extern "C" fn compiled() -> *const c_char {
    "rust-one\0".as_ptr().cast()
}

#[no_mangle]
pub extern "C" fn outside() -> *const c_char {
    demo_matrix_core::WORD.as_ptr().cast()
}
