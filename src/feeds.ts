/**
 * Whether the same span reaches Keito by two ways: a processor and an exporter on one provider, or one of them twice.
 * It would be billed twice, so it is taken in by the first only.
 *
 * @module
 */

/** One way for spans to get to Keito: an exporter or a processor. */
export interface Feed {
  /** Where its records go: the client that the user gave, else a text for account and server. */
  readonly destination: unknown
  /** Whether it has a span, ended or open. */
  has(traceId: string, spanId: string): boolean
  /** Whether it has taken an ended span in. */
  hasTaken(traceId: string, spanId: string): boolean
}

type Feeds = Set<WeakRef<Feed>>

/** Shared by all copies of this package in the process, such as one that was imported and one that was required. */
const SHARED = Symbol.for('opentelemetry-exporter-keito.feeds')

/** The feeds of the process by their destination; those that were forgotten without a shutdown do not stay in memory. */
interface Registry {
  readonly byText: Map<unknown, Feeds>
  readonly byClient: WeakMap<object, Feeds>
}

/** All feeds with one destination. */
function feedsTo(destination: unknown): Feeds {
  const shared: { [SHARED]?: Registry } & object = Object(globalThis)
  shared[SHARED] ??= { byText: new Map(), byClient: new WeakMap() }
  const { byText, byClient } = shared[SHARED]
  const known = isClient(destination) ? byClient.get(destination) : byText.get(destination)
  if (known) return known
  const feeds: Feeds = new Set()
  if (isClient(destination)) byClient.set(destination, feeds)
  else byText.set(destination, feeds)
  return feeds
}

function isClient(destination: unknown): destination is object {
  return typeof destination === 'object' && destination !== null
}

/** Joins the feeds of the process that have the same destination. */
export function joinFeeds(feed: Feed): FeedMembership {
  return new FeedMembership(feed, feedsTo(feed.destination))
}

/** The place of one feed among those of the process. */
export class FeedMembership {
  readonly #own: WeakRef<Feed>
  readonly #feed: Feed
  readonly #feeds: Feeds

  /** Use {@link joinFeeds}. */
  constructor(feed: Feed, feeds: Feeds) {
    this.#feed = feed
    this.#own = new WeakRef(feed)
    this.#feeds = feeds
    feeds.add(this.#own)
  }

  /** Whether another feed has a span. */
  hasElsewhere(traceId: string, spanId: string): boolean {
    if (this.#feeds.size < 2) return false
    // Two processors have each span open: then the one that was there first takes it, so that a trace stays together.
    const isOpenHere = this.#feed.has(traceId, spanId)
    let isLater = false
    for (const ref of this.#feeds) {
      const other = ref.deref()
      if (ref === this.#own) isLater = true
      else if (!other) this.#feeds.delete(ref)
      else if (isLater && isOpenHere ? other.hasTaken(traceId, spanId) : other.has(traceId, spanId)) return true
    }
    return false
  }
}
