/** Rule: baggage and code around a run say where it is booked, for just that run, and never by a value that makes no sense. */
import { setTimeout as sleep } from 'node:timers/promises'
import { context, defaultTextMapGetter, propagation, ROOT_CONTEXT, type Tracer } from '@opentelemetry/api'
import { W3CBaggagePropagator } from '@opentelemetry/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Attribution, withKeitoAttribution } from '../src/index.ts'
import { attributesOf, booked, followContexts, traceRun } from './helpers/places.ts'
import { AGENT, CHAT } from './helpers/told.ts'

beforeAll(followContexts)
afterAll(() => context.disable())

const CONFIGURED = { projectId: 'cmconfigured', taskId: 'cmconfigured', expenseCategoryId: 'cmconfigured' }

describe('baggage', () => {
  /** The context of a request with a `baggage` header, as a server's instrumentation makes it. */
  const requestWith = (baggage: string) =>
    new W3CBaggagePropagator().extract(ROOT_CONTEXT, { baggage }, defaultTextMapGetter)
  const bookedWith = (header: string, options = {}) =>
    booked((tracer) => context.with(requestWith(header), () => traceRun(tracer)), options)

  it('of a request says where its runs are booked', async () => {
    const header =
      'keito.project_id=cmone,keito.task_id=cmtwo,keito.expense_category_id=cmthree,keito.agent_id=bot,keito.billable=false'
    const { places } = await bookedWith(header)
    expect(places).toMatchObject([
      { projectId: 'cmone', taskId: 'cmtwo', expenseCategoryId: 'cmthree', agentId: 'bot', billable: false },
    ])
  })

  it('is decoded, and its properties are no part of the value', async () => {
    const { places } = await bookedWith('keito.project_id=cm%2Fone%3D1;ttl=3,keito.agent_id=menu%20writer%20%C3%A9')
    expect(places).toMatchObject([{ projectId: 'cm/one=1', agentId: 'menu writer é' }])
  })

  it('is not looked at for anything but ids, agent and billable', async () => {
    const plain = await booked((tracer) => traceRun(tracer))
    const { places } = await bookedWith('keito.notes=Pay%20me,keito.rate=100,project_id=cmone,KEITO.PROJECT_ID=cmone')
    expect(places).toEqual(plain.places)
  })

  it.each(['two%20words', '%0A', 'x'.repeat(129), '%C3%A7m'])(
    'with an id that is none (%s) leaves the run unassigned, and does not fall back to the configuration',
    async (id) => {
      const { places, errors, stats } = await bookedWith(`keito.project_id=${id}`)
      expect(places).toEqual([])
      expect(errors).toContain('unassigned')
      expect(stats.recordsUnassigned).toBeGreaterThan(0)
    },
  )

  it('is not looked at when it is turned off', async () => {
    const { places, errors } = await bookedWith('keito.project_id=cmone,keito.task_id=two%20words', { baggage: false })
    expect(places).toMatchObject([CONFIGURED])
    expect(errors).toEqual([])
  })

  it('counts as it was when the run started, whatever it is in the run', async () => {
    const baggageOf = (projectId: string) =>
      propagation.setBaggage(context.active(), propagation.createBaggage({ 'keito.project_id': { value: projectId } }))
    const { places } = await booked((tracer) =>
      context.with(baggageOf('cmbefore'), () =>
        tracer.startActiveSpan('invoke_agent', { attributes: AGENT }, (run) => {
          context.with(baggageOf('cminside'), () => tracer.startSpan('chat', { attributes: CHAT }).end())
          run.end()
        }),
      ),
    )
    expect(places).toMatchObject([{ projectId: 'cmbefore', expenseCategoryId: 'cmconfigured' }])
  })

  it('is that of the run, not of the request around it', async () => {
    const { places } = await booked((tracer) =>
      context.with(requestWith('keito.project_id=cmrequest,keito.task_id=cmrequest'), () =>
        tracer.startActiveSpan('GET /', (request) => {
          const inside = propagation.createBaggage({ 'keito.project_id': { value: 'cminside' } })
          context.with(propagation.setBaggage(context.active(), inside), () => traceRun(tracer))
          request.end()
        }),
      ),
    )
    expect(places).toMatchObject([{ projectId: 'cminside', taskId: 'cmconfigured' }])
  })

  it('says where model calls without an agent are booked', async () => {
    const { places } = await booked((tracer) =>
      context.with(requestWith('keito.project_id=cmone'), () => tracer.startSpan('chat', { attributes: CHAT }).end()),
    )
    expect(places).toMatchObject([{ projectId: 'cmone' }])
  })
})

describe('withKeitoAttribution', () => {
  const under = (attribution: Attribution) =>
    booked((tracer) => withKeitoAttribution(attribution, () => traceRun(tracer)))

  it('books the runs inside, and no others', async () => {
    const { places } = await booked((tracer) => {
      traceRun(tracer)
      withKeitoAttribution({ projectId: 'cminside' }, () => traceRun(tracer))
      traceRun(tracer)
    })
    expect(places.map(({ projectId }) => projectId)).toEqual(['cmconfigured', 'cminside', 'cmconfigured'])
  })

  it('may say everything', async () => {
    const all = {
      projectId: 'cm1',
      taskId: 'cm2',
      expenseCategoryId: 'cm3',
      agentId: 'bot',
      billable: false,
      notes: 'Reviewed',
    }
    expect((await under(all)).places).toMatchObject([{ ...all, notes: expect.stringContaining('Reviewed') }])
  })

  it('inside another one wins key by key', async () => {
    const { places } = await booked((tracer) =>
      withKeitoAttribution({ projectId: 'cmouter', taskId: 'cmouter', billable: false }, () =>
        withKeitoAttribution({ projectId: 'cminner', billable: undefined }, () => traceRun(tracer)),
      ),
    )
    expect(places).toMatchObject([{ projectId: 'cminner', taskId: 'cmouter', billable: false }])
  })

  it('holds for what is awaited inside, and for what is started and not awaited', async () => {
    const started: Promise<void>[] = []
    const { places } = await booked(async (tracer) => {
      await withKeitoAttribution({ projectId: 'cmasync' }, async () => {
        await sleep(5)
        traceRun(tracer)
        started.push(sleep(20).then(() => traceRun(tracer)))
      })
      traceRun(tracer)
      await Promise.all(started)
    })
    expect(places.map(({ projectId }) => projectId).sort()).toEqual(['cmasync', 'cmasync', 'cmconfigured'])
  })

  it('returns what the function returns, and passes on what it throws', async () => {
    const thrown = new Error('the work failed')
    const fail = () => {
      throw thrown
    }
    expect(withKeitoAttribution({ projectId: 'cm1' }, () => 7)).toBe(7)
    expect(withKeitoAttribution({}, () => 7)).toBe(7)
    await expect(withKeitoAttribution({ projectId: 'cm1' }, async () => 7)).resolves.toBe(7)
    expect(() => withKeitoAttribution({ projectId: 'cm1' }, fail)).toThrow(thrown)
    await expect(withKeitoAttribution({ projectId: 'cm1' }, async () => fail())).rejects.toBe(thrown)
    expect(context.active()).toBe(ROOT_CONTEXT)
  })

  it.each<[string, Attribution]>([
    ['a project', { projectId: 'two words' }],
    ['an empty project', { projectId: '' }],
    ['a task', { taskId: 'x'.repeat(129) }],
    ['a number', { taskId: 7 as never }],
  ])('with an id that is none leaves the run unassigned: %s', async (_, attribution) => {
    const { errors, stats } = await under(attribution)
    expect(errors).toContain('unassigned')
    expect(stats.recordsUnassigned).toBeGreaterThan(0)
  })

  it('with an unusable id inside another one does not fall back to that', async () => {
    const { errors, places } = await booked((tracer) =>
      withKeitoAttribution({ projectId: 'cmouter' }, () =>
        withKeitoAttribution({ projectId: 'two words' }, () => traceRun(tracer)),
      ),
    )
    expect(errors).toContain('unassigned')
    expect(places).toEqual([])
  })

  it.each([undefined, null, 'cmproject', 7])('runs the function also when it is given %s instead', async (nonsense) => {
    const { places } = await under(nonsense as never)
    expect(places).toMatchObject([CONFIGURED])
  })

  it('is not overruled by what the caller changes later in the object it gave', async () => {
    const attribution = { projectId: 'cmgiven' }
    const { places } = await booked((tracer) =>
      withKeitoAttribution(attribution, () => {
        attribution.projectId = 'cmchanged'
        traceRun(tracer)
      }),
    )
    expect(places).toMatchObject([{ projectId: 'cmgiven' }])
  })

  it('keeps tenants apart that are served at the same time', async () => {
    const serve = async (tracer: Tracer, tenant: number) => {
      await withKeitoAttribution({ projectId: `cm${tenant}`, notes: `Tenant ${tenant}` }, async () => {
        await sleep(tenant % 5)
        await tracer.startActiveSpan('GET /', async (request) => {
          await sleep((tenant * 7) % 11)
          traceRun(tracer, { 'keito.task_id': `cm${tenant}` })
          request.end()
        })
      })
    }
    const { places } = await booked((tracer) => Promise.all(Array.from({ length: 40 }, (_, i) => serve(tracer, i))))
    expect(places).toHaveLength(40)
    for (const { projectId, taskId, notes } of places) {
      expect(taskId).toBe(projectId)
      expect(notes).toContain(`Tenant ${projectId?.slice(2)}`)
    }
    expect(new Set(places.map(({ projectId }) => projectId)).size).toBe(40)
  })

  it('says where model calls without an agent are booked', async () => {
    const { places } = await booked((tracer) =>
      withKeitoAttribution({ projectId: 'cmaround' }, () => tracer.startSpan('chat', { attributes: CHAT }).end()),
    )
    expect(places).toMatchObject([{ projectId: 'cmaround' }])
  })
})

it('attributes that say nothing usable about billable or agent fall back to what is weaker', async () => {
  const said = { ...attributesOf({ agentId: ' ' }), 'keito.billable': 'perhaps' }
  const { places, stats } = await booked((tracer) => traceRun(tracer, said), { agentId: 'configured', billable: false })
  expect(places).toMatchObject([{ agentId: 'configured', billable: false }])
  expect(stats.valuesRefused).toBe(2)
})
