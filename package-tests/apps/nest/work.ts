export {tell, work} from '../work.mjs'
