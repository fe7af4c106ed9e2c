import {primaryStatus} from 'primary-lease'

export const dynamic = 'force-dynamic'
export const GET = () => Response.json(primaryStatus('next')?.primary ?? null)
