//! The sample crate that `raibid up` builds: one function, no dependencies.

/// A greeting for whoever pushed; "world" for nobody in particular.
pub fn greet(name: &str) -> String {
    let name = name.trim();
    format!("Hello, {}!", if name.is_empty() { "world" } else { name })
}

#[cfg(test)]
mod tests {
    use super::greet;

    #[test]
    fn greets_by_name() {
        assert_eq!(greet(" Ada "), "Hello, Ada!");
    }

    #[test]
    fn greets_the_world_when_there_is_no_name() {
        assert_eq!(greet("  "), "Hello, world!");
    }
}
