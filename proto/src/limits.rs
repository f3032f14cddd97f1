//! Every limit of the protocol, in one place.
//!
//! Nothing in Fingerpost is unbounded. Each constant names one bound, its unit is the last word of
//! its name, and the `tidy` test insists that each is met by a test. Change one and
//! you change what other nodes accept, so raise a limit in readers a release before writers use it.

/// Largest state of one document, in bytes of JSON.
pub const STATE_MAX_BYTES: usize = 256 * 1024;
/// What a writer fills of a shard before it opens the next, so that later small edits still fit.
pub const SHARD_FILL_BYTES: usize = 192 * 1024;
/// Most services in one shard of a listing.
pub const SERVICES_PER_SHARD_MAX: usize = 64;
/// Most shards in one listing.
pub const SHARDS_MAX: u16 = 64;
/// Most live notices on one board.
pub const NOTICES_MAX: usize = 200;
/// Most nested brackets in any JSON that we read.
pub const JSON_MAX_DEPTH: usize = 16;
/// Longest single text in a listing, in bytes of UTF-8.
pub const TEXT_MAX_BYTES: usize = 64 * 1024;
/// Longest id of an entity in a listing or on a board, in bytes. A UUID has 36.
pub const ID_MAX_BYTES: usize = 128;
/// Most replies to other organisations' notices on one board.
pub const REPLIES_MAX: usize = 200;
/// Farthest distance that a search may ask for, in kilometres.
pub const WITHIN_MAX_KM: u32 = 1000;
/// Most terms, places, points and rules of opening hours that search takes from one entry, each.
pub const FACTS_PER_ENTRY_MAX: usize = 256;
/// How far a rule with a number of occurrences is followed to find its last, in days.
pub const HOURS_COUNT_MAX_DAYS: i32 = 3660;
/// Most statements of others that one board signs.
pub const SIGNATURES_MAX: usize = 200;
/// Most services of others of which one board says whether their entry is right.
pub const REPORTS_MAX: usize = 200;
/// Most seats on other bodies that a card lists.
pub const SEATS_MAX: usize = 64;
/// Longest name (organisation, service, network, place), in bytes of UTF-8.
pub const NAME_MAX_BYTES: usize = 1024;
/// Largest listing file that `listing import` takes, in bytes.
pub const IMPORT_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most rows of one table (CSV, sheet) that is imported.
pub const TABLE_ROWS_MAX: usize = 50_000;
/// Most columns of one table that is imported.
pub const TABLE_COLUMNS_MAX: usize = 512;
/// Most tables of one package that is imported.
pub const TABLES_MAX: usize = 64;
/// Most entities that the rows of one package are put together to; rows can stand in several places.
pub const PACKAGE_ENTITIES_MAX: usize = 500_000;
/// Most rows left out that an import names one by one; the others are counted.
pub const LEFT_OUT_MAX: usize = 2_000;

/// Most sealed documents, by peer, of which a replica remembers that it handed them to their owner.
pub const HANDED_MAX: usize = 4_096;
/// Most areas, types, networks or organisations that a node follows, of each.
pub const FOLLOWED_MAX: usize = 64;
/// How many states that peers have left out are asked for once more in a session, lest one peer hides something.
pub const UNFOLLOWED_ASKED_MAX: usize = 16;

/// Largest record with its signature, in bytes.
pub const RECORD_MAX_BYTES: usize = 1024;
/// Most other writers that a record may name in `saw`.
pub const SAW_MAX_WRITERS: usize = 15;
/// Most other writers with which a node still takes another name until it has heard from the others after a start.
pub const SAW_UNHEARD_MAX_WRITERS: usize = 11;
/// How often members must have told what they hold after a start before a node goes by the name that its store knows.
pub const HEARD_MIN_SESSIONS: u32 = 2;
/// Most automerge heads that a record may name.
pub const HEADS_MAX: usize = 4;
/// Most undominated records kept of one document.
pub const CONCURRENT_MAX_RECORDS: usize = 16;
/// Most nodes that may write for one organisation.
pub const NODES_PER_ORG_MAX: usize = 16;
/// Most delegations kept of one node by one organisation; renewing lets the oldest go.
pub const DELEGATIONS_PER_NODE_MAX: usize = 8;
/// Largest certificate (delegation, vouch, invitation, departure), in bytes.
pub const CERTIFICATE_MAX_BYTES: usize = 1024;
/// Largest departure statement, which carries the vouches that the leaver held, in bytes.
pub const DEPARTURE_MAX_BYTES: usize = 48 * 1024;
/// Largest charter, in bytes of CBOR.
pub const CHARTER_MAX_BYTES: usize = 64 * 1024;
/// Most names, synonyms and explanations in the directory block of a charter.
pub const DIRECTORY_ENTRIES_MAX: usize = 1024;
/// Longest time after which a charter may call an entry stale or leave it out, in days.
pub const DIRECTORY_DAYS_MAX: u32 = 3650;
/// Most anchors that a charter may name.
pub const ANCHORS_MAX: usize = 64;
/// Most networks that one organisation may belong to.
pub const NETWORKS_PER_ORG_MAX: usize = 32;
/// Most vouches that a card carries for one network.
pub const VOUCHES_PER_NETWORK_MAX: usize = 64;
/// Most applicants (organisations that are not members yet) whose cards one network holds.
pub const APPLICANTS_MAX: usize = 1024;
/// Most vouches that a card holds ready for organisations that do not carry them yet, for one network.
pub const GIVEN_PER_NETWORK_MAX: usize = 64;
/// Most invitations whose end a card notes, for one network: used, or cancelled.
pub const INVITATIONS_PER_NETWORK_MAX: usize = 256;
/// Most objections that a card raises in one network.
pub const OBJECTIONS_PER_NETWORK_MAX: usize = 64;
/// Longest reason of an objection and longest note, in bytes of UTF-8.
pub const REASON_MAX_BYTES: usize = 2048;
/// Longest note that a vouch carries, in bytes of UTF-8, so that the certificate stays within its limit.
pub const NOTE_MAX_BYTES: usize = 500;
/// Most amendments of a charter that follow one another, and that a card accepts in one network.
pub const AMENDMENTS_IN_FORCE_MAX: usize = 64;
/// Most amendments that one organisation may propose in one network and nobody has accepted.
pub const AMENDMENTS_PER_ORG_MAX: usize = 8;
/// Most organisations whose succession a card has a say in, or claims, for one network.
pub const SUCCESSIONS_PER_NETWORK_MAX: usize = 32;
/// Most old keys that an organisation may have had.
pub const REKEYINGS_MAX: usize = 16;
/// Most pauses that a card lists.
pub const PAUSES_MAX: usize = 16;
/// Largest revocation of a node, which names its last records, in bytes.
pub const REVOCATION_MAX_BYTES: usize = 8 * 1024;
/// Most nodes whose revocation a card lists.
pub const REVOCATIONS_MAX: usize = 64;
/// Most bytes of what the root of a history that was begun anew says of the histories before it.
pub const LINEAGE_MAX_BYTES: usize = 64 * 1024;
/// Of how many erased entities a document remembers the ids, the latest.
pub const ERASED_MAX: usize = 1024;
/// How many fields with more than one value stay so when a history is begun anew.
pub const CONFLICTS_CARRIED_MAX: usize = 64;
/// Largest sealed document, in bytes, so that it fits a frame.
pub const SEALED_MAX_BYTES: usize = 896 * 1024;
/// In a network of up to so many organisations every member keeps every sealed document.
pub const SEALED_EVERYWHERE_MAX_ORGS: usize = 32;
/// In a larger one, how many organisations keep each, on average: a hash chooses.
pub const SEALED_KEEPERS: u64 = 12;
/// Most bytes of documents, and as many again of sealed ones, that are held of another member without a voice:
/// with one vouch needed, one member could bring in any number of them.
pub const UNHEARD_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Most bytes of documents that are held of any other organisation, and twice as many of sealed ones. A full listing
/// has 16 MiB; siblings that published while apart make it more for a while.
pub const ORG_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Longest ticket, in characters.
pub const TICKET_MAX_CHARS: usize = 500;
/// Longest pass for another node, in characters, white space included.
pub const PASS_MAX_CHARS: usize = 16 * 1024;
/// Of at most so many other nodes, a node stays connected with all.
pub const CONNECT_ALL_MAX_NODES: usize = 24;
/// Of more, with so many besides its siblings.
pub const CONNECT_NODES: usize = 16;
/// Of these, at most so many speak for one organisation, while there are others.
pub const CONNECT_PER_ORG_NODES: usize = 2;
/// Of these, at most so many are called in one range of addresses, while there are others.
pub const CONNECT_PER_RANGE_NODES: usize = 6;
/// With so many nodes a node stays connected at most, whoever called whom; places at relays, and what passes through
/// a relay, are counted apart.
pub const CONNECTED_MAX_NODES: usize = 32;
/// Most addresses in a ticket or an announcement.
pub const ADDRESSES_MAX: usize = 8;

/// Largest frame of the sync protocol, in bytes, after decompression.
pub const FRAME_MAX_BYTES: usize = 1024 * 1024;
/// What a sender fills of an items frame before it starts the next, in bytes.
pub const FRAME_FILL_BYTES: usize = 192 * 1024;
/// Most items in one frame.
pub const ITEMS_MAX: u64 = 4096;
/// Most cards by which a node introduces itself, and most delegations.
pub const INTRODUCTION_MAX_ITEMS: usize = 64;
/// Largest message of range-based reconciliation, in bytes.
pub const RECONCILE_FRAME_MAX_BYTES: u64 = 64 * 1024;
/// Most rounds of reconciliation in one scope of one session.
pub const RECONCILE_ROUNDS_MAX: u32 = 256;
/// Most bytes that one side may send in one session, after decompression. A longer exchange
/// continues in the next session, which finds less to do.
pub const SESSION_MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// Most networks that one `Networks` frame may name.
pub const TAGS_MAX: usize = 512;
/// Most identifiers that one `Want` frame may name.
pub const WANT_MAX_IDS: usize = 16 * 1024;
/// Longest silence in a session before it is given up, in milliseconds.
pub const SESSION_IDLE_MS: u64 = 30_000;

/// How far ahead of our clock a record may be dated, in seconds.
pub const CLOCK_AHEAD_MAX_S: u64 = 600;
/// Largest gossip message, in bytes.
pub const GOSSIP_MAX_BYTES: usize = 60 * 1024;

/// Longest first line of a bundle, in bytes.
pub const BUNDLE_HEADER_MAX_BYTES: usize = 8 * 1024;
/// Longest other line of a bundle, in bytes: an item that fills a frame and does not compress fits, in base64.
pub const BUNDLE_LINE_MAX_BYTES: usize = 1408 * 1024;
/// Most items in one bundle: cards, listings and boards of a national directory fit several times.
pub const BUNDLE_ITEMS_MAX: u64 = 4_000_000;
/// Largest bundle that is read, in bytes.
pub const BUNDLE_MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;
