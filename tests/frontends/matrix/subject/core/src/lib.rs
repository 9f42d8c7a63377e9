pub const WORD: &str = "outside-one\0";
