//! Sets of organisations, as rows of marks.

/// An organisation's place among all that statements mention, in the order in which they came.
pub(super) type Number = usize;

/// A set of organisations.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks(Vec<bool>);

impl Marks {
    pub(super) fn has(&self, org: Number) -> bool {
        self.0.get(org).copied().unwrap_or(false)
    }

    /// Whether it was not there before.
    pub(super) fn add(&mut self, org: Number) -> bool {
        if self.0.len() <= org {
            self.0.resize(org + 1, false);
        }
        self.0
            .get_mut(org)
            .is_some_and(|mark| !std::mem::replace(mark, true))
    }

    pub(super) fn retain(&mut self, keep: impl Fn(Number) -> bool) {
        for (org, mark) in self.0.iter_mut().enumerate() {
            *mark &= !*mark || keep(org);
        }
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Number> {
        let marked = self.0.iter().enumerate().filter(|(_, mark)| **mark);
        marked.map(|(org, _)| org)
    }

    pub(super) fn count(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl FromIterator<Number> for Marks {
    fn from_iter<I: IntoIterator<Item = Number>>(all: I) -> Self {
        let mut marks = Self::default();
        marks.extend(all);
        marks
    }
}

impl Extend<Number> for Marks {
    fn extend<I: IntoIterator<Item = Number>>(&mut self, all: I) {
        for org in all {
            self.add(org);
        }
    }
}
