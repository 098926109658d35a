//! Stack traces: which exception, and where it was thrown.
//!
//! The forms that runtimes print: Java and its kin (`at a.b.C.m(C.java:1)` under a line with the
//! class, causes below), .NET (`at N.C.M() in file`), JavaScript (`at f (file:1:2)`), Python
//! (`File "x", line 1, in f` above a line with the class), Go (`panic: ...` and the calls of the
//! goroutine) and Rust (`thread 'x' panicked at file:1:2`). Line numbers are left out: they change
//! with every version of the code.

/// What a stack trace says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stack {
    /// Class of the exception, or `panic`; of the innermost cause where causes are told.
    pub exception: String,
    /// Functions, the innermost first, at most [`FRAMES_MAX`].
    pub frames: Vec<String>,
}

/// Frames that are kept: errors that share the place where they were thrown are one.
pub const FRAMES_MAX: usize = 3;

impl Stack {
    /// Reads the stack trace in a record of several lines; none if there is none in it.
    #[must_use]
    pub fn read(record: &str) -> Option<Self> {
        // Records of one line are many, and have none.
        record.find('\n')?;
        if let Some(stack) = python(record) {
            return Some(stack);
        }
        let (mut exception, mut frames) = (None, Vec::new());
        for line in record.lines() {
            let text = line.trim();
            if let Some(place) = text.strip_prefix("at ") {
                if frames.len() < FRAMES_MAX {
                    frames.push(function(place));
                }
            } else if let Some(class) = text.strip_prefix("Caused by: ").and_then(class) {
                // The innermost cause is told last.
                exception = Some(class);
                frames.clear();
            } else if let Some(class) = class(text).filter(|_| exception.is_none()) {
                exception = Some(class);
            } else if text.starts_with("panic: ") || text.contains("' panicked at ") {
                exception = Some("panic");
            } else if exception == Some("panic") && frames.len() < FRAMES_MAX {
                frames.extend(call(line));
            }
        }
        let exception = exception?.to_owned();
        (!frames.is_empty() || exception == "panic").then_some(Self { exception, frames })
    }

    /// One line that names it: the same for errors that are one.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.exception.clone();
        for frame in &self.frames {
            name += " < ";
            name += frame;
        }
        name
    }
}

/// Python tells the innermost call last, and the class below it.
fn python(record: &str) -> Option<Stack> {
    let (_, trace) = record.split_once("Traceback (most recent call last):")?;
    let (mut exception, mut frames) = (None, Vec::new());
    for line in trace.lines() {
        if let Some((_, function)) = line.trim().strip_prefix("File \"").and_then(|f| f.split_once(", in ")) {
            frames.push(function.trim().to_owned());
        } else if !line.starts_with(char::is_whitespace) && !line.is_empty() {
            exception = class(line).or(exception);
        }
    }
    frames.reverse();
    frames.truncate(FRAMES_MAX);
    Some(Stack { exception: exception?.to_owned(), frames })
}

/// The class that a line begins with, or names behind other words: `java.io.IOException: ...`,
/// `Exception in thread "main" a.B: ...`, `TypeError: ...`.
fn class(text: &str) -> Option<&str> {
    let head = text.split_once(": ").map_or(text, |(head, _)| head).trim_end_matches(':');
    let last = head.rsplit(char::is_whitespace).next()?;
    let named = |end: &str| last.ends_with(end) && last.len() > 1;
    let is_path = last.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '$' | ':'));
    let is_class = ["Exception", "Error", "Throwable", "Interrupt", "Exit", "Warning"].into_iter().any(named);
    (is_path && is_class && last.starts_with(char::is_alphabetic)).then_some(last)
}

/// The function of a frame: without arguments, file and line.
fn function(place: &str) -> String {
    let end = place.find('(').unwrap_or(place.len());
    let name = place[..end].trim();
    // `at async f (...)`, `at new C (...)`; a frame without a function is a file.
    let name = name.rsplit(' ').next().unwrap_or(name);
    name.split(" in ")
        .next()
        .unwrap_or(name)
        .trim_end_matches(|c: char| c == ':' || c.is_ascii_digit())
        .to_owned()
}

/// The function that a line of a goroutine calls: `main.f(0x1, ...)`; files are indented.
fn call(line: &str) -> Option<String> {
    let called =
        !line.starts_with(char::is_whitespace) && !line.starts_with("goroutine") && line.contains('(');
    let end = line.rfind('(').filter(|_| called)?;
    let name = line[..end].trim_start_matches("created by ").trim();
    (!name.is_empty() && !name.contains(' ') && !name.starts_with("panic")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(record: &str) -> Option<String> {
        Stack::read(record).map(|stack| stack.name())
    }

    #[test]
    fn the_innermost_cause_of_java_is_told() {
        let record = "ERROR could not place the order\njava.lang.IllegalStateException: no\n\tat shop.Order.place(Order.java:10)\n\tat shop.Main.main(Main.java:3)\nCaused by: java.sql.SQLTimeoutException: after 30 s\n\tat db.Pool.take(Pool.java:77)\n\tat db.Pool.get(Pool.java:12)\n\t... 12 more";
        assert_eq!(
            name(record).as_deref(),
            Some("java.sql.SQLTimeoutException < db.Pool.take < db.Pool.get")
        );
        let other = record.replace(":77)", ":78)").replace("30 s", "31 s");
        assert_eq!(name(&other), name(record), "lines and messages do not count");
    }

    #[test]
    fn python_tells_the_innermost_call_last() {
        let record = "ERROR failed\nTraceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    main()\n  File \"a.py\", line 9, in main\n    pay(1)\nValueError: no such card\n";
        assert_eq!(name(record).as_deref(), Some("ValueError < main < <module>"));
    }

    #[test]
    fn other_runtimes_are_read() {
        let javascript = "TypeError: Cannot read properties of undefined\n    at pay (/app/card.js:12:7)\n    at async Order.place (/app/order.js:3:1)";
        assert_eq!(name(javascript).as_deref(), Some("TypeError < pay < Order.place"));
        let dotnet = "Unhandled exception. System.IO.FileNotFoundException: gone\n   at Shop.Cart.Load(String id) in /src/Cart.cs:line 5\n   at Shop.Main.Run()";
        assert_eq!(
            name(dotnet).as_deref(),
            Some("System.IO.FileNotFoundException < Shop.Cart.Load < Shop.Main.Run")
        );
        let go = "panic: runtime error: invalid memory address\n\ngoroutine 1 [running]:\nmain.pay(0x0, 0x1)\n\t/src/main.go:12 +0x1d\nmain.main()\n\t/src/main.go:5 +0x20";
        assert_eq!(name(go).as_deref(), Some("panic < main.pay < main.main"));
        let rust = "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`";
        assert_eq!(name(rust).as_deref(), Some("panic"));
    }

    #[test]
    fn other_records_of_several_lines_have_none() {
        for record in
            ["one line with an Error: in it", "SELECT *\n  FROM orders\n  WHERE id = 1", "a\nb\nc", "\n\n"]
        {
            assert_eq!(name(record), None, "{record}");
        }
    }
}
