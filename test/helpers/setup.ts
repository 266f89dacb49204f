/** Property tests explore on a developer's machine; in CI they repeat the same cases, so that a change is judged, not luck. */
import fc from 'fast-check'

if (process.env.CI) fc.configureGlobal({ seed: 20_261_122 })
