/**
 * What we need of OpenTelemetry's metrics, structurally, so that no package is named in the declarations.
 *
 * @module
 */

/** A meter provider; the `MeterProvider` of every version of `@opentelemetry/api` is assignable to it. */
export interface MeterProviderLike {
  getMeter(name: string, version?: string): unknown
}
