import {primaryStatus} from 'primary-lease'

export const runtime = 'edge'
export function GET() {
  try {
    return Response.json(primaryStatus('next'))
  } catch (error) {
    return Response.json(String(error))
  }
}
