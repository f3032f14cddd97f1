//! One stream to the node, with a peer on it that says what it likes.

use super::*;

/// One stream to the node.
pub(crate) struct Talk {
    pub(crate) sender: FrameSender,
    pub(crate) receiver: FrameReceiver,
    pub(super) nonces: [[u8; 16]; 2],
}

impl Talk {
    /// Sends frames; the node may have hung up already.
    pub(crate) async fn say(&mut self, frames: &[Frame]) {
        for frame in frames {
            let _ = self.sender.send(&frame.to_bytes()).await;
        }
        let _ = self.sender.flush().await;
    }

    pub(crate) async fn hear(&mut self) -> Option<Frame> {
        let bytes = soon("a frame", self.receiver.receive()).await.ok()??;
        Some(Frame::parse(&bytes).unwrap())
    }

    /// Exchanges greetings; `false` if the node is busy.
    pub(crate) async fn hello(&mut self) -> bool {
        let [nonce, _] = self.nonces;
        self.say(&[Frame::Hello {
            version: VERSION,
            nonce,
        }])
        .await;
        match self.hear().await {
            Some(Frame::Hello { nonce, .. }) => {
                self.nonces[1] = nonce;
                true
            }
            Some(Frame::Bye {
                farewell: Farewell::Busy,
            })
            | None => false,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn tag(&self, network: NetworkId) -> Tag {
        Tag::of(&network, &self.nonces)
    }

    pub(super) async fn introduce(&mut self, network: NetworkId) {
        let tags = vec![self.tag(network)];
        self.say(&[Frame::Networks {
            tags: tags.clone(),
            known: Vec::new(),
        }])
        .await;
        match self.hear().await {
            Some(Frame::Networks { tags: shared, .. }) => assert_eq!(shared, tags),
            other => panic!("{other:?}"),
        }
    }

    /// Shows cards as those of its own organisations, and hears what the node shows of itself.
    pub(crate) async fn show(&mut self, items: Vec<Item>) -> Vec<Item> {
        self.say(&[Frame::Introduce {
            items,
            delegations: Vec::new(),
            known: Vec::new(),
        }])
        .await;
        match self.hear().await {
            Some(Frame::Introduce { items, .. }) => items,
            other => panic!("{other:?}"),
        }
    }

    /// Sends items in a scope, as the one who began, and hears those of the node.
    pub(crate) async fn deliver(&mut self, scope: Scope, items: Vec<Item>) -> Vec<Item> {
        // So many that the node would rather have everything than compare.
        let count = 1_000_000;
        let mut frames = vec![Frame::Open {
            scope,
            count,
            message: Vec::new(),
        }];
        frames.extend(items.chunks(32).map(|items| Frame::Items {
            items: items.to_vec(),
        }));
        frames.push(Frame::Done { scope });
        self.say(&frames).await;
        let mut heard = Vec::new();
        loop {
            match self.hear().await {
                Some(Frame::SendAll) => {}
                Some(Frame::Items { items }) => heard.extend(items),
                Some(Frame::Done { scope: done }) if done == scope => return heard,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Ends the session in order, and hears how many items were new and how many were refused.
    pub(crate) async fn receipt(self) -> (u64, u64) {
        self.receipt_with(Vec::new()).await
    }

    /// The same, with something of what members keep sealed for one another.
    pub(crate) async fn receipt_with(mut self, sealed: Vec<Item>) -> (u64, u64) {
        self.deliver(Scope::Sealed, sealed).await;
        self.say(&[Frame::Receipt {
            accepted: 0,
            refused: 0,
            complete: false,
        }])
        .await;
        match self.hear().await {
            Some(Frame::Receipt {
                accepted, refused, ..
            }) => {
                self.sender.finish().await.unwrap();
                assert_eq!(self.rest().await, []);
                (accepted, refused)
            }
            other => panic!("{other:?}"),
        }
    }

    /// What the node says until it hangs up.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.hear().await {
            frames.push(frame);
        }
        frames
    }
}
