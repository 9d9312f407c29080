-- The trees of PLAN and DATA.

local need = ...
if type(need) ~= "function" then return end
local drawing, rounds = need("drawing"), need("rounds")
local of_smok4 = need("smok4_fields")
local fields, generated = of_smok4.fields, drawing.generated

local M = {}

local BLOCK = {
    {"plan.unit", 1}, {"plan.table", 1}, {"plan.start", 2}, {"plan.count", 1}, {"plan.interval", 2},
    {"plan.report", 2}, {"plan.deadband", 1},
}

local function name_of(unit, table, start, count)
    local last = count > 1 and (" to %d"):format(start + count - 1) or ""
    return ("unit %d, %s %d%s"):format(unit, of_smok4.TABLES[table] or "table " .. table, start, last)
end

-- The blocks of a PLAN; ``first_block`` is the number of the first one.
function M.plan(tree, tvb, first_block)
    for at = 5, tvb:len() - 1, rounds.BLOCK_OCTETS do
        local range = tvb(at, rounds.BLOCK_OCTETS)
        local number = first_block + (at - 5) / rounds.BLOCK_OCTETS
        local named = name_of(range(0, 1):uint(), range(1, 1):uint(), range(2, 2):uint(), range(4, 1):uint())
        local branch = tree:add(range, ("Block %d: %s"):format(number, named))
        generated(branch, fields["plan.block"], number)
        drawing.layout(fields, BLOCK, branch, tvb, at)
    end
end

-- One value a line, each with its address.
local function values(branch, tvb, report)
    local block = report.block
    for place, value in ipairs(report.values) do
        local address = block.start + place - 1
        local range = tvb(report.at, report.octets)
        if report.kind == rounds.FULL and not block.is_bits then
            range = tvb(report.at + 2 * place - 1, 2)
        end
        local text = block.is_bits and ("%d: %d"):format(address, value)
            or ("%d: %d (0x%04x)"):format(address, value, value)
        local line = branch:add(fields["data.value"], range, value, text)
        generated(line, fields["data.address"], address)
    end
end

local function report(tree, tvb, one)
    local block = one.block
    local named = name_of(block.unit, block.table, block.start, block.count)
    local branch = tree:add(tvb(one.at, one.octets), ("Block %d: %s"):format(one.number, named))
    branch:add(fields["data.kind"], tvb(one.at, 1))
    branch:add(fields["data.block"], tvb(one.at, 1))
    generated(branch, fields["data.unit"], block.unit)
    generated(branch, fields["data.table"], block.table)
    if one.error then
        branch:add(fields["data.error"], tvb(one.at + 1, 1))
        generated(branch, fields["data.address"], block.start)
    else
        values(branch, tvb, one)
    end
end

-- The rounds of a DATA message that came at ``seconds`` since 1970.
function M.rounds(tree, tvb, found, seconds)
    for _, round in ipairs(found) do
        local text = ("Round, %.1f s old: %d reports"):format(round.age / 10, #round.reports)
        local branch = tree:add(tvb(round.at, round.octets), text)
        generated(branch, fields["data.age"], round.age)
        generated(branch, fields["data.time"], drawing.time(seconds - round.age / 10))
        for _, one in ipairs(round.reports) do
            report(branch, tvb, one)
        end
    end
end

return M
