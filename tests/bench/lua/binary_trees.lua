-- Allocation: trees of nodes with two fields, most of them dropped at once.
Tree = {}
Tree.__index = Tree
function Tree.new(depth)
  local self = setmetatable({}, Tree)
  if depth > 0 then self.left = Tree.new(depth - 1); self.right = Tree.new(depth - 1) end
  return self
end
function Tree:count()
  if self.left == nil then return 1 end
  return 1 + self.left:count() + self.right:count()
end

sum = 0
kept = Tree.new(16)
for depth = 4, 14, 2 do
  local trees = 1
  for i = depth, 17 do trees = trees * 2 end
  for i = 0, trees - 1 do sum = sum + Tree.new(depth):count() end
end
print((sum + kept:count()) % 65521)
